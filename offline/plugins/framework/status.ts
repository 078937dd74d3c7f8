import * as grpc from "@grpc/grpc-js";
import any from "google-protobuf/google/protobuf/any_pb.js";
import provider from "@pulumi/pulumi/proto/provider_pb.js";
import statusPb from "@pulumi/pulumi/proto/status_pb.js";
import type { PartialFailure } from "./errors.js";
import { encode, type Properties } from "./values.js";

/** The status by which the engine keeps a resource together with its init errors; the state is complete by now. */
export function initFailedStatus(failure: PartialFailure): Partial<grpc.StatusObject> {
  const detail = new provider.ErrorResourceInitFailed();
  detail.setId(failure.id);
  detail.setProperties(encode(failure.state as Properties));
  detail.setReasonsList([...failure.reasons]);

  const packed = new any.Any();
  packed.pack(detail.serializeBinary(), "pulumirpc.ErrorResourceInitFailed");
  const status = new statusPb.Status();
  status.setCode(grpc.status.UNKNOWN);
  status.setMessage(failure.reasons[0] ?? "");
  status.setDetailsList([packed]);

  const metadata = new grpc.Metadata();
  metadata.set("grpc-status-details-bin", Buffer.from(status.serializeBinary()));
  return { code: grpc.status.UNKNOWN, details: failure.reasons[0] ?? "", metadata };
}
