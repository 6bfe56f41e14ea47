// A page that stands for an error: it has nothing to follow.
import { startShell, tellConnection } from "./shell.js";

startShell();
tellConnection("absent");
