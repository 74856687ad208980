/**
 * Reads TypeScript into what the rules of structure.ts and the diagrams need to know of it: imports,
 * exports, SQL, and the length of functions. TypeScript's own parser does it. Its API is called
 * unstable, which does no harm while package.json holds the exact version.
 */
import { globSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { type Node, type SourceFile, SyntaxKind } from 'typescript/unstable/ast';
import {
  isFunctionLikeDeclaration,
  isIdentifier,
  isStringLiteralLikeNode,
  isTemplateHead,
  isVariableStatement,
} from 'typescript/unstable/ast/is';
import { createVirtualFileSystem } from 'typescript/unstable/fs';
import { API } from 'typescript/unstable/sync';

/** Path from the root of the repository → text. */
export type Sources = ReadonlyMap<string, string>;

type Found = { readonly line: number };

export type FileFacts = {
  /** Every relative path of a .ts file: of type imports, `export … from` and workers too. */
  readonly imports: readonly (Found & { readonly to: string })[];
  readonly exports: readonly string[];
  /** Literals that begin as a statement of SQL does. */
  readonly sql: readonly (Found & { readonly text: string })[];
  /** `lines` counts from the first word of a function to its last brace, comments included. */
  readonly functions: readonly (Found & { readonly name: string; readonly lines: number })[];
};

/** By path. */
export type Facts = ReadonlyMap<string, FileFacts>;

/** @returns all TypeScript below src/ apart from tests. */
export function readSources(root: string): Sources {
  const files = globSync('src/**/*.ts', { cwd: root })
    .map((file) => file.replaceAll('\\', '/'))
    .filter((file) => !file.endsWith('.test.ts'));
  return new Map(files.sort().map((file) => [file, readFileSync(`${root}/${file}`, 'utf8')]));
}

/** The parser sees the sources under this name, and nothing of the disk. */
const ROOT = '/sources';
const CONFIG = `${ROOT}/tsconfig.json`;

/** @throws where a file does not parse. */
export function factsOf(sources: Sources): Facts {
  const paths = [...sources.keys()];
  const compilerOptions = { noLib: true, noResolve: true, types: [] };
  const files = Object.fromEntries([...sources].map(([path, text]) => [`${ROOT}/${path}`, text]));
  files[CONFIG] = JSON.stringify({ compilerOptions, files: paths });
  const api = new API({ cwd: ROOT, fs: createVirtualFileSystem(files) });
  try {
    const project = api.updateSnapshot({ openProjects: [CONFIG] }).getProjects()[0];
    const [wrong] = project?.program.getSyntacticDiagnostics() ?? [];
    if (wrong !== undefined) throw new Error(`${wrong.fileName} does not parse: ${wrong.text}`);
    return new Map(
      paths.map((path) => {
        const file = project?.program.getSourceFile(`${ROOT}/${path}`);
        if (file === undefined) throw new Error(`${path} was not parsed`);
        return [path, factsOfFile(path, file)];
      }),
    );
  } finally {
    api.close();
  }
}

/** In upper case, as all our statements are: prose that begins with "Select" is none. */
const SQL =
  /^\s*(ALTER|BEGIN|CALL|COMMIT|COPY|CREATE|DELETE FROM|DISCARD|DROP|GRANT|INSERT INTO|LISTEN|LOCK|MERGE|NOTIFY|RELEASE|RESET|REVOKE|ROLLBACK|SAVEPOINT|SELECT|SET|SHOW|START|TABLE|TRUNCATE|UPDATE|VALUES|WITH)\b/;

function factsOfFile(path: string, file: SourceFile): FileFacts {
  const lineAt = (position: number) => file.getLineAndCharacterOfPosition(position).line + 1;
  const imports: { line: number; to: string }[] = [];
  const sql: { line: number; text: string }[] = [];
  const functions: { line: number; name: string; lines: number }[] = [];
  const visit = (node: Node, name: string) => {
    const line = lineAt(node.getStart(file));
    if (isStringLiteralLikeNode(node) || isTemplateHead(node)) {
      const { text } = node;
      const isImport = /^\.\.?\/.*\.ts$/.test(text);
      if (isImport) imports.push({ line, to: posix.join(posix.dirname(path), text) });
      if (SQL.test(text)) sql.push({ line, text });
    }
    const own = nameOf(node) ?? name;
    if (isFunctionLikeDeclaration(node)) {
      functions.push({ line, name: own, lines: lineAt(node.getEnd()) - line + 1 });
    }
    node.forEachChild((child) => visit(child, own));
  };
  visit(file, '');
  return { imports, exports: file.statements.flatMap(exportsOf), sql, functions };
}

/** Of a declaration, also of one that only holds a function: `const name = () => …`. */
function nameOf(node: Node): string | undefined {
  const { name } = node as { name?: Node };
  return name && 'text' in name ? String(name.text) : undefined;
}

function exportsOf(statement: Node): string[] {
  const { modifiers } = statement as { modifiers?: readonly Node[] };
  if (!modifiers?.some(({ kind }) => kind === SyntaxKind.ExportKeyword)) return [];
  const declared = isVariableStatement(statement)
    ? statement.declarationList.declarations.map(({ name }) => name)
    : [(statement as { name?: Node }).name];
  return declared.flatMap((name) => (name && isIdentifier(name) ? [name.text] : []));
}
