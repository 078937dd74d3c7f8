import assert from "node:assert/strict";
import type * as grpc from "@grpc/grpc-js";
import empty from "google-protobuf/google/protobuf/empty_pb.js";
import provider from "@pulumi/pulumi/proto/provider_pb.js";
import type * as pb from "@pulumi/pulumi/proto/provider_pb.js";
import status from "@pulumi/pulumi/proto/status_pb.js";
import { bridged } from "../../plugins/framework/bridged.js";
import { decode, encode, Secret, Unknown, type Properties } from "../../plugins/framework/values.js";
import { Engine, Served } from "./engine.js";
import { testProvider, THING, World } from "./framework-thing.js";

const urn = `urn:pulumi:dev::proj::pkg:mod:Parent$${THING}::we::b`;
const keep = { secrets: "keep" } as const;

describe("a bridged stand-in over the wire", () => {
  let world: World;
  let engine: Engine;
  let served: Served;

  beforeEach(async () => {
    world = new World();
    engine = await new Engine().start();
    served = await new Served(bridged(testProvider(world)), engine.address).start();
  });
  afterEach(() => {
    served.stop();
    engine.stop();
  });

  async function configure(args: Properties = {}): Promise<pb.ConfigureResponse> {
    const request = new provider.ConfigureRequest();
    request.setArgs(encode(args));
    return served.call("configure", request);
  }

  async function check(news: Properties, type = urn): Promise<pb.CheckResponse> {
    const request = new provider.CheckRequest();
    request.setUrn(type);
    request.setNews(encode(news));
    return served.call("check", request);
  }

  async function create(inputs: Properties, preview = false): Promise<{ id: string; state: Properties }> {
    const request = new provider.CreateRequest();
    request.setUrn(urn);
    request.setProperties(encode(inputs));
    request.setPreview(preview);
    const response = await served.call<pb.CreateResponse>("create", request);
    return { id: response.getId(), state: decode(response.getProperties(), keep) };
  }

  async function update(olds: Properties, news: Properties, preview = false): Promise<Properties> {
    const request = new provider.UpdateRequest();
    request.setUrn(urn);
    request.setId(String(olds.name));
    request.setOlds(encode(olds));
    request.setNews(encode(news));
    request.setPreview(preview);
    return decode((await served.call<pb.UpdateResponse>("update", request)).getProperties(), keep);
  }

  async function read(id: string, state: Properties, inputs: Properties) {
    const request = new provider.ReadRequest();
    request.setUrn(urn);
    request.setId(id);
    request.setProperties(encode(state));
    request.setInputs(encode(inputs));
    const response = await served.call<pb.ReadResponse>("read", request);
    return {
      id: response.getId(),
      state: decode(response.getProperties(), keep),
      inputs: decode(response.getInputs(), keep),
    };
  }

  /** What a status carries for the engine to keep. */
  function initFailed(error: unknown): pb.ErrorResourceInitFailed {
    const [raw] = (error as grpc.ServiceError).metadata.get("grpc-status-details-bin");
    assert.ok(raw instanceof Buffer, `no details with: ${String(error)}`);
    const [detail] = status.Status.deserializeBinary(raw).getDetailsList();
    assert.equal(detail?.getTypeName(), "pulumirpc.ErrorResourceInitFailed");
    return provider.ErrorResourceInitFailed.deserializeBinary(detail.getValue_asU8());
  }

  const message = (text: string) => (error: grpc.ServiceError) => {
    assert.equal(error.details, text);
    assert.doesNotMatch(error.message, /\n\s+at /);
    return true;
  };

  it("tells its version and promises what the bridged plugins promise", async () => {
    const info = await served.call<{ getVersion(): string }>("getPluginInfo", new empty.Empty());
    assert.equal(info.getVersion(), "1.2.3");
    const flags = await configure();
    assert.deepEqual(flags.toObject(), {
      acceptsecrets: false,
      supportspreview: true,
      acceptresources: false,
      acceptoutputs: false,
      supportsAutonamingConfiguration: true,
    });
  });

  describe("its configuration", () => {
    it("decodes settings that came as JSON, secrets inside them too, and falls back to defaults", async () => {
      const secret = '{"4dabf18193072939515e22adb298388d":"1b47061264138c4ac30d75fd1eb44270","value":"u"}';
      await configure({ auth: `[{"user":${secret}}]`, tries: "3" });
      assert.deepEqual(world.config, { host: "fallback", auth: [{ user: "u" }], tries: 3 });
    });

    it("names the setting that is no JSON", async () => {
      await assert.rejects(configure({ tries: "{" }), (error: grpc.ServiceError) =>
        error.details.startsWith("provider test: setting tries is not valid JSON: "),
      );
    });

    it("refuses unknown settings by name, lets unknown values and the engine's own keys pass, and marks secrets", async () => {
      const request = new provider.CheckRequest();
      request.setNews(encode({ port: 1, host: Unknown.value, auth: "[]", version: "1.2.3", __internal: {} }));
      const response = await served.call<pb.CheckResponse>("checkConfig", request);
      assert.deepEqual(
        response.getFailuresList().map((failure) => failure.toObject()),
        [{ property: "port", reason: "sandbox stand-in: pulumi:providers:test does not implement input port" }],
      );
      const inputs = decode(response.getInputs(), keep);
      assert.deepEqual(inputs.auth, new Secret("[]"));
      assert.equal(inputs.host, Unknown.value);
    });

    it("is never a reason to replace anything", async () => {
      const request = new provider.DiffRequest();
      request.setOldInputs(encode({ host: "a" }));
      request.setNews(encode({ host: "b" }));
      const response = await served.call<pb.DiffResponse>("diffConfig", request);
      assert.equal(response.getChanges(), provider.DiffResponse.DiffChanges.DIFF_SOME);
      assert.deepEqual(response.getDiffsList(), ["host"]);
      assert.deepEqual(response.getReplacesList(), []);
    });
  });

  it("refuses what it does not implement by name: resource types and functions", async () => {
    const type = "test:index/other:Other";
    await assert.rejects(
      check({}, `urn:pulumi:dev::proj::${type}::x`),
      message(`sandbox stand-in: test does not implement resource type ${type}`),
    );
    const request = new provider.InvokeRequest();
    request.setTok("test:index/get:get");
    await assert.rejects(
      served.call("invoke", request),
      message("sandbox stand-in: test does not implement function test:index/get:get"),
    );
  });

  it("marks sensitive inputs, at every depth, and takes the type and a name with colons from the URN", async () => {
    const inputs = decode(
      (await check({ kind: "a", password: "p", parts: [{ id: "x", token: "t" }] })).getInputs(),
      keep,
    );
    assert.deepEqual(inputs.password, new Secret("p"));
    assert.deepEqual(inputs.parts, [{ id: "x", token: new Secret("t"), size: 1, __defaults: ["size"] }]);
    assert.match(String(inputs.name), /^we::b-[0-9a-f]{7}$/);
  });

  it("answers a diff with top-level names, paths and kinds", async () => {
    const request = new provider.DiffRequest();
    request.setUrn(urn);
    request.setOlds(encode({ name: "n", kind: "a", parts: [{ id: "x", size: 1 }], color: "red" }));
    request.setNews(
      encode({ name: "n", kind: "b", parts: [{ id: "x", size: 2 }], password: new Secret("p"), __defaults: [] }),
    );
    const response = await served.call<pb.DiffResponse>("diff", request);
    assert.equal(response.getChanges(), provider.DiffResponse.DiffChanges.DIFF_SOME);
    assert.equal(response.getHasdetaileddiff(), true);
    assert.deepEqual(response.getDiffsList(), ["color", "kind", "parts", "password"]);
    assert.deepEqual(response.getReplacesList(), ["kind"]);
    assert.deepEqual(response.getStablesList(), ["labels", "name"]);
    assert.equal(response.getDeletebeforereplace(), true);
    const kinds = new Map(Object.entries(provider.PropertyDiff.Kind).map(([name, value]) => [value as number, name]));
    const detailed = response.getDetaileddiffMap().toArray() as unknown as [string, number[]][];
    const seen = Object.fromEntries(
      detailed.map(([path]) => [path, kinds.get(response.getDetaileddiffMap().get(path)?.getKind() ?? -1)]),
    );
    assert.deepEqual(seen, {
      color: "DELETE",
      kind: "UPDATE_REPLACE",
      "parts[0].size": "UPDATE",
      password: "ADD",
    });
  });

  describe("create", () => {
    it("touches nothing in a preview; outputs and unset computed inputs are unknown", async () => {
      const { id, state } = await create(
        { name: "n", kind: Unknown.value, parts: [{ id: "x" }], __defaults: [] },
        true,
      );
      assert.equal(id, "");
      assert.deepEqual(world.calls, []);
      const unknown = Unknown.value;
      assert.deepEqual(state, {
        id: unknown,
        name: "n",
        kind: unknown,
        driver: unknown,
        parts: [{ id: "x", mode: unknown }],
        address: unknown,
        revision: unknown,
        key: new Secret(unknown),
      });
    });

    it("keeps the inputs in the state without `__defaults`, in their canonical form, and marks what is sensitive", async () => {
      await configure();
      const inputs = {
        name: "n",
        kind: "a",
        password: new Secret("p"),
        json: '{ "a": 1 }',
        parts: [{ id: "x", __defaults: [] }],
      };
      const { id, state } = await create({ ...inputs, __defaults: ["color"] });
      assert.equal(id, "n");
      assert.deepEqual(state, {
        id: "n",
        name: "n",
        kind: "a",
        password: new Secret("p"),
        json: '{"a":1}',
        parts: [{ id: "x" }],
        driver: "local",
        address: "at n",
        revision: 1,
        key: new Secret("k"),
      });
      assert.equal(world.things.get("n")?.password, "p", "a hook sees no marks");
    });

    it("saves nothing when it fails before there is an id", async () => {
      await configure();
      world.failure = "early";
      await assert.rejects(create({ name: "n", kind: "a" }), (error: grpc.ServiceError) => {
        assert.deepEqual(error.metadata.get("grpc-status-details-bin"), []);
        return message("no room")(error);
      });
    });

    it("has the engine keep what exists when it fails after", async () => {
      await configure();
      world.failure = "late";
      await assert.rejects(create({ name: "n", kind: "a", password: "p" }), (error) => {
        const failure = initFailed(error);
        assert.equal(failure.getId(), "n");
        assert.deepEqual(failure.getReasonsList(), [`creating ${urn}: not healthy`]);
        assert.deepEqual(decode(failure.getProperties(), keep), {
          id: "n",
          name: "n",
          kind: "a",
          password: new Secret("p"),
          address: "half",
        });
        return true;
      });
    });

    it("needs a configured provider", async () => {
      await assert.rejects(
        create({ name: "n", kind: "a" }),
        message("the test provider was called before it was configured"),
      );
    });
  });

  describe("update", () => {
    const olds = { name: "n", kind: "a", size: 1, driver: "local", address: "here", revision: 4, key: "k" };
    const news = { name: "n", kind: "a", size: 2, __defaults: [] };

    it("touches nothing in a preview; only what changes at every update is unknown", async () => {
      const state = await update(olds, news, true);
      assert.deepEqual(world.calls, []);
      assert.deepEqual(state, { ...olds, size: 2, revision: Unknown.value, key: new Secret("k") });
      assert.equal((await update(olds, { ...news, size: 1 }, true)).revision, 4);
    });

    it("is told what changed, and drops what is no longer set unless it is computed", async () => {
      await configure();
      const state = await update({ ...olds, right: "r" }, news);
      assert.deepEqual(world.calls, ["update n [right size]"]);
      assert.deepEqual(state, { ...olds, id: "n", size: 2, revision: 5, key: new Secret("k") });
    });

    it("is told of no change when the engine sends it to clear init errors", async () => {
      await configure();
      await update(olds, { ...news, size: 1 });
      assert.deepEqual(world.calls, ["update n []"]);
    });

    it("has the engine keep the new inputs when it fails, as Terraform does", async () => {
      await configure();
      world.failure = "early";
      await assert.rejects(update(olds, news), (error) => {
        const failure = initFailed(error);
        assert.deepEqual(failure.getReasonsList(), [`updating ${urn}: refused`]);
        assert.equal(decode(failure.getProperties(), keep).size, 2);
        return true;
      });
      world.failure = "late";
      await assert.rejects(update(olds, news), (error) => {
        const failure = initFailed(error);
        assert.deepEqual(failure.getReasonsList(), [`updating ${urn}: half done`]);
        assert.equal(decode(failure.getProperties(), keep).address, "half");
        return true;
      });
    });

    it("refuses a change that would replace", async () => {
      await configure();
      await assert.rejects(
        update(olds, { ...news, kind: "b" }),
        message(`Update of ${urn} would have to replace it because of kind`),
      );
      assert.deepEqual(world.calls, []);
    });
  });

  describe("read", () => {
    it("lays what it found over the state, and takes the inputs' keys from the old inputs", async () => {
      await configure();
      world.things.set("n", { size: 9 });
      const state = { name: "n", kind: "a", size: 1, color: "red", json: '{"a":1}', address: "here" };
      const inputs = { name: "n", kind: "a", size: 1, color: "red", json: '{ "a": 1 }', __defaults: ["color", "size"] };
      assert.deepEqual(await read("n", state, inputs), {
        id: "n",
        state: { ...state, id: "n", size: 9 },
        // The size has drifted: it is a default no more. How the program wrote its JSON stays.
        inputs: { ...inputs, size: 9, __defaults: ["color"] },
      });
    });

    it("answers with an empty id when it is gone", async () => {
      await configure();
      assert.deepEqual(await read("n", { name: "n" }, { name: "n" }), { id: "", state: {}, inputs: {} });
    });

    it("makes up the inputs of an import from the state, without defaults and zero values", async () => {
      await configure();
      world.things.set("n", { size: 9 });
      assert.deepEqual(await read("n", {}, {}), {
        id: "n",
        state: { id: "n", size: 9 },
        inputs: { size: 9, __defaults: [] },
      });
    });
  });

  it("keeps a resource whose delete fails, and says why", async () => {
    await configure();
    world.failure = "early";
    const request = new provider.DeleteRequest();
    request.setUrn(urn);
    request.setId("n");
    request.setProperties(encode({ name: "n" }));
    await assert.rejects(served.call("delete", request), message(`deleting ${urn}: in use`));
    world.failure = undefined;
    await served.call("delete", request);
    assert.deepEqual(world.calls, ["delete n", "delete n"]);
  });

  it("logs at the resource, before the answer arrives", async () => {
    await configure();
    await create({ name: "n", kind: "a" });
    assert.deepEqual(engine.lines, [{ severity: 1, message: "made n", urn, ephemeral: false }]);
  });
});
