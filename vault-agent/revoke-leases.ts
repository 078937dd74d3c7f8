/**
 * Former path of steps/revoke-leases.ts. The state of a stack from an earlier version contains this path in a delete
 * command until this version has deployed (docs/decisions/0154).
 */
import "../steps/revoke-leases";
