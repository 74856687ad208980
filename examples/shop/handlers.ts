/** What the shop does with its events, each once, in the transaction that stores them. */
import { ledger } from './ledger.ts';
import { stock } from './stock.ts';

export const handlers = [ledger, stock];
