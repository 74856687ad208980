import { allOptions, type CommandWords } from './model.ts';
import { formPatterns, patternOf, valuePattern } from './posix.ts';

/** The script for zsh. */
export function zshCompletion(words: readonly CommandWords[]): string {
  const options = allOptions(words);
  const chosen = options.filter(({ values }) => values.length > 0);
  const files = patternOf(options.filter(({ isFile }) => isFile));
  const forms = formPatterns(words).map(({ pattern, form }) => {
    const values = form.values.length === 0 ? '' : ` values=(${form.values.join(' ')})`;
    const described = form.options.map(({ name, about }) => quoted(name, about)).join(' ');
    return `    ${pattern}) options=(${described})${values} ;;`;
  });
  const actions = words.flatMap(({ name, forms: all }) => {
    const named = all.flatMap(({ action, about }) =>
      action === null ? [] : [quoted(action, about)],
    );
    return named.length === 0 ? [] : [`    '${name} ') values=(${named.join(' ')}) ;;`];
  });
  return `#compdef orderonce
# zsh completion of orderonce: source <(orderonce completion zsh)
_orderonce() {
  local command='' action='' i
  local -a options values commands
  case \${words[CURRENT-1]} in
${chosen.map(({ name, values }) => `    ${name}) values=(${values.join(' ')}); _describe 'value' values; return ;;`).join('\n')}
    ${files}) _files; return ;;
    ${valuePattern(words)}) return ;;
  esac
  for ((i = 2; i < CURRENT; i++)); do
    case \${words[i]} in
      ${valuePattern(words)}) ((i++)) ;;
      -*) ;;
      *) if [[ -z $command ]]; then command=\${words[i]}; elif [[ -z $action ]]; then action=\${words[i]}; fi ;;
    esac
  done
  if [[ -z $command ]]; then
    commands=(${words.map(({ name, about }) => quoted(name, about)).join(' ')})
    _describe 'command' commands
    return
  fi
  case "$command $action" in
${forms.join('\n')}
  esac
  case "$command $action" in
${actions.join('\n')}
  esac
  if [[ \${words[CURRENT]} == -* ]]; then
    _describe 'option' options
  elif (( \${#values} )); then
    _describe 'value' values
  elif [[ $command == send || $command == init ]]; then
    _files
  fi
}
compdef _orderonce orderonce`;
}

/** A word and what it is, as _describe takes them. */
function quoted(word: string, about: string): string {
  const text = about === '' ? word : `${word}:${about.replaceAll(':', '\\:')}`;
  return `'${text.replaceAll("'", "'\\''")}'`;
}
