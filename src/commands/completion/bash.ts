import { allOptions, type CommandWords } from './model.ts';
import { formPatterns, patternOf, valuePattern } from './posix.ts';

/** The script for bash 4 and later. */
export function bashCompletion(words: readonly CommandWords[]): string {
  const options = allOptions(words);
  const chosen = options.filter(({ values }) => values.length > 0);
  const files = patternOf(options.filter(({ isFile }) => isFile));
  const forms = formPatterns(words).map(
    ({ pattern, form }) =>
      `    ${pattern}) options='${form.options.map(({ name }) => name).join(' ')}'${form.values.length === 0 ? '' : ` values='${form.values.join(' ')}'`} ;;`,
  );
  const actions = words.flatMap(({ name, forms: all }) => {
    const names = all.flatMap(({ action }) => (action === null ? [] : [action]));
    return names.length === 0 ? [] : [`    '${name} ') values='${names.join(' ')}' ;;`];
  });
  return `# bash completion of orderonce: eval "$(orderonce completion bash)"
_orderonce() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]}
  local command='' action='' options='' values='' i
  COMPREPLY=()
  case $prev in
${chosen.map(({ name, values }) => `    ${name}) COMPREPLY=($(compgen -W '${values.join(' ')}' -- "$cur")); return ;;`).join('\n')}
    ${files}) compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$cur")); return ;;
    ${valuePattern(words)}) return ;;
  esac
  for ((i = 1; i < COMP_CWORD; i++)); do
    case \${COMP_WORDS[i]} in
      ${valuePattern(words)}) ((i++)) ;;
      -*) ;;
      *) if [ -z "$command" ]; then command=\${COMP_WORDS[i]}; elif [ -z "$action" ]; then action=\${COMP_WORDS[i]}; fi ;;
    esac
  done
  if [ -z "$command" ]; then
    COMPREPLY=($(compgen -W '${words.map(({ name }) => name).join(' ')} --help --version' -- "$cur"))
    return
  fi
  case "$command $action" in
${forms.join('\n')}
  esac
  case "$command $action" in
${actions.join('\n')}
  esac
  if [[ $cur == -* ]]; then
    COMPREPLY=($(compgen -W "$options" -- "$cur"))
  elif [ -n "$values" ]; then
    COMPREPLY=($(compgen -W "$values" -- "$cur"))
  elif [ "$command" = send ] || [ "$command" = init ]; then
    compopt -o filenames 2>/dev/null
    COMPREPLY=($(compgen -f -- "$cur"))
  fi
}
complete -F _orderonce orderonce`;
}
