/** Whether new rows may be shown now, or would take something away from somebody. */

/** Pure. @returns why not; null if they may. */
export function whyHeld({ hasDialog, hasSelection, hasFocus, hasTicks }) {
  if (hasDialog) return 'a dialogue is open';
  if (hasSelection) return 'text is selected';
  if (hasTicks) return 'rows are ticked';
  if (hasFocus) return 'a row has the focus';
  return null;
}

/** How many rows of a new list are not in the shown one. Pure. */
export function countNew(shownKeys, keys) {
  const shown = new Set(shownKeys);
  return keys.filter((key) => !shown.has(key)).length;
}

/** What of it is the case in an element of this page. */
export function holdFacts(body) {
  const selection = document.getSelection();
  const isSelected = selection !== null && !selection.isCollapsed && selection.rangeCount > 0;
  const active = document.activeElement;
  return {
    hasDialog: document.querySelector('dialog[open]') !== null,
    hasSelection: isSelected && selection.getRangeAt(0).intersectsNode(body),
    hasFocus: active?.closest('[data-key]') != null && body.contains(active),
    hasTicks: body.querySelector('[data-key] input:checked') !== null,
  };
}
