/**
 * Former path of steps/load-rules.ts. The state of a stack from an earlier version contains this path in a delete
 * command until this version has deployed (docs/decisions/0154).
 */
import { main } from "../steps/load-rules";

void main();
