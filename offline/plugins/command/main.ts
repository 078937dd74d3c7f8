import { serve } from "../framework/server.js";
import { commandProvider } from "./provider.js";

serve(commandProvider());
