import "@fontsource-variable/inter";
import "maplibre-gl/dist/maplibre-gl.css";
import "./styles/tokens.css";
import "./styles/shell.css";
import "./styles/parts.css";
import "./styles/map.css";
import "./styles/live.css";
import { render } from "preact";
import { App } from "./shell/app";
import { restore } from "./shell/signing";

void restore();
render(<App />, document.getElementById("app")!);
