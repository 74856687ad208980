/** A form whose fields are the filters in the URL of the page. */
import { button, el } from './dom.js';
import { filtersIn, withFilters } from './url-state.js';

/**
 * @param fields { name, label, options: a select instead of a text, size }.
 * @returns the form; a change goes to the URL with the new filters.
 */
export function filterForm(page, fields) {
  const given = filtersIn(
    page.query,
    fields.map(({ name }) => name),
  );
  const inputs = fields.map((field) => [field, inputOf(field, given[field.name] ?? '')]);
  const apply = () => {
    const values = inputs.map(([{ name }, input]) => [name, input.value.trim()]);
    page.app.go(withFilters(page.path, page.query, Object.fromEntries(values)));
  };
  const labels = inputs.map(([{ label }, input]) => el('label', {}, el('span', {}, label), input));
  const clear = button('Clear', () => page.app.go(page.path), {
    disabled: Object.keys(given).length === 0,
  });
  const form = el(
    'form',
    { className: 'filters' },
    ...labels,
    el('button', { type: 'submit' }, 'Filter'),
    clear,
  );
  for (const [{ options }, input] of inputs) if (options) input.addEventListener('change', apply);
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    apply();
  });
  return form;
}

function inputOf({ name, options, size = 18 }, value) {
  if (options === undefined) return el('input', { name, value, size, autocomplete: 'off' });
  const select = el('select', { name });
  for (const [text, label] of options) {
    select.append(el('option', { value: text, selected: text === value }, label));
  }
  return select;
}

/** Links to the first and the next page of a list. @param next the cursor; null on the last page. */
export function pager(page, next) {
  const url = (after) => withFilters(page.path, page.query, { after });
  const isFirst = page.query.get('after') === null;
  return el(
    'nav',
    { className: 'pager', 'aria-label': 'Pages of the list' },
    isFirst ? '' : el('a', { href: url('') }, 'First page'),
    next === null
      ? el('span', { className: 'soft' }, 'End of the list')
      : el('a', { href: url(next) }, 'Next page'),
  );
}
