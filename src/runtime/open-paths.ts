/** Routes that show no order data. They need no key even where keys are configured. */
const OPEN = /^\/(health(\/.*)?|metrics|docs(\/.*)?|openapi\.json|console(\/.*)?)?$/;

/** @param url the URL of the route, as it was added. */
export function isOpenPath(url: string): boolean {
  return OPEN.test(url);
}
