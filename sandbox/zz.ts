import { installPlugins } from "./offline/plugins/install.js";
console.time("i"); console.log(await installPlugins(process.argv[2]!)); console.timeEnd("i");
