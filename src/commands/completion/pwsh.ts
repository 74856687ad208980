import { allOptions, type CommandWords, type OptionWord } from './model.ts';

/** The script for PowerShell 7. */
export function pwshCompletion(words: readonly CommandWords[]): string {
  const options = allOptions(words).filter(({ takesValue }) => takesValue);
  const values = options.map(({ name, values: all }) => `  ${text(name)} = ${list(all)}`);
  const commands = words.map(({ name, forms }) => {
    const actions = forms.map(
      ({ action, values: all, options: own }) =>
        `    ${text(action ?? '')} = @{ values = ${list(all)}; options = ${list(own.map(optionName))} }`,
    );
    const first = forms[0]?.action ?? '';
    return `  ${text(name)} = @{ first = ${text(first)}; forms = [ordered]@{\n${actions.join('\n')}\n  } }`;
  });
  return `# PowerShell completion of orderonce: orderonce completion pwsh | Out-String | Invoke-Expression
$OrderonceValues = @{
${values.join('\n')}
}
$OrderonceCommands = [ordered]@{
${commands.join('\n')}
}
Register-ArgumentCompleter -Native -CommandName orderonce -ScriptBlock {
  param($wordToComplete, $commandAst, $cursorPosition)
  $all = @($commandAst.CommandElements | Select-Object -Skip 1 |
    Where-Object { $_.Extent.EndOffset -lt $cursorPosition } | ForEach-Object { $_.ToString() })
  $words = @()
  $previous = ''
  foreach ($word in $all) {
    if (-not $OrderonceValues.ContainsKey($previous) -and -not $word.StartsWith('-')) { $words += $word }
    $previous = $word
  }
  if ($OrderonceValues.ContainsKey($previous)) {
    $found = $OrderonceValues[$previous]
  } elseif ($words.Count -eq 0) {
    $found = @($OrderonceCommands.Keys) + @('--help', '--version')
  } elseif ($OrderonceCommands.Contains($words[0])) {
    $command = $OrderonceCommands[$words[0]]
    $action = if ($command.first -eq '') { '' } elseif ($words.Count -gt 1) { $words[1] } else { $command.first }
    $form = $command.forms[$action]
    if ($wordToComplete.StartsWith('-')) { $found = $form.options }
    elseif ($command.first -ne '' -and $words.Count -eq 1) { $found = $command.forms.Keys }
    else { $found = $form.values }
  }
  $found | Where-Object { $_ -like "$wordToComplete*" } |
    ForEach-Object { [System.Management.Automation.CompletionResult]::new($_, $_, 'ParameterValue', $_) }
}`;
}

const optionName = ({ name }: OptionWord) => name;
const text = (word: string) => `'${word.replaceAll("'", "''")}'`;
const list = (words: readonly string[]) => `@(${words.map(text).join(', ')})`;
