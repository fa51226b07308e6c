/**
 * Serves the built page like a web host that reads the file `_headers`, optionally with a data directory beside it. For tests
 * and screenshots, on this computer only.
 */
import { createReadStream, existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join, normalize, sep } from "node:path";

export interface Site {
  /** Address of the page, ending in a slash. */
  readonly url: string;
  close(): Promise<void>;
}

const TYPES: Record<string, string> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
  ".json": "application/json",
};

/** `folder`: the build. `dataDir`: folders of data sets, served under data/. */
export async function serveSite(folder: string, dataDir?: string): Promise<Site> {
  const prefix = "/some/where/";
  const rules = headerRules(readFileSync(join(folder, "_headers"), "utf8"));
  const server = createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url ?? "/", "http://host").pathname);
    const name = path.startsWith(prefix) ? path.slice(prefix.length) || "index.html" : undefined;
    const file = name === undefined ? undefined : fileFor(name, folder, dataDir);
    if (name === "data/index.json" && dataDir !== undefined) {
      const names = readdirSync(dataDir).filter((entry) => statSync(join(dataDir, entry)).isDirectory());
      response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(names));
    } else if (file === undefined) {
      response.writeHead(404).end();
    } else {
      response.writeHead(200, {
        "content-type": TYPES[extname(file)] ?? "application/octet-stream",
        "content-length": statSync(file).size,
        ...Object.fromEntries(
          rules.filter(({ covers }) => covers(`/${name}`)).flatMap(({ headers }) => headers),
        ),
      });
      createReadStream(file).pipe(response);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://localhost:${port}${prefix}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** Parses `_headers`: a line with a path, which may end in a star, followed by indented lines with its headers. */
export function headerRules(text: string) {
  return text.split(/\n(?=\S)/).map((rule) => {
    const [path = "", ...lines] = rule.trimEnd().split("\n");
    const headers = lines.map((line) => /^\s+([\w-]+): (.*)$/.exec(line)?.slice(1) as [string, string]);
    const start = path.replace(/\*$/, "");
    return { headers, covers: (name: string) => (start === path ? name === path : name.startsWith(start)) };
  });
}

/** The file of a request, never outside the two folders. */
function fileFor(name: string, folder: string, dataDir: string | undefined): string | undefined {
  const [root, inside] =
    dataDir !== undefined && name.startsWith("data/")
      ? [dataDir, name.slice("data/".length)]
      : [folder, name];
  const file = normalize(join(root, inside));
  const allowed = file.startsWith(normalize(root) + sep);
  return allowed && existsSync(file) && statSync(file).isFile() ? file : undefined;
}
