/** What the browser keeps: the API key until the tab is closed; zone and name for longer. */

/** The API key; null if none is needed or given. */
export function apiKey() {
  return sessionStorage.getItem('key');
}

export function keepApiKey(key) {
  if (key === '') sessionStorage.removeItem('key');
  else sessionStorage.setItem('key', key);
}

/** Whether times are shown in the zone of the browser; else in UTC. */
export function isLocalTime() {
  return localStorage.getItem('zone') === 'local';
}

export function keepZone(isLocal) {
  localStorage.setItem('zone', isLocal ? 'local' : 'utc');
}

/** The name for the audit; null if it was not given yet. */
export function operatorName() {
  return localStorage.getItem('name');
}

export function keepOperatorName(name) {
  localStorage.setItem('name', name);
}

/** What the API accepts as a name. */
export const NAME_PATTERN = /^[\p{L}\p{M}\p{N} _.,'’@+-]{1,100}$/u;
