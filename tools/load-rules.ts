/**
 * Where steps/load-rules.ts was. The state of a stack that an earlier version deployed names this path for the end of a resource, and
 * keeps it until this version has deployed (docs/decisions/0154).
 */
import { main } from "../steps/load-rules";

void main();
