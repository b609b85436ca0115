// A large body sent with its progress told: XMLHttpRequest, since fetch says nothing of what it has sent.

import { authorise, problemFrom, unreachable } from "./client";

/** Posts `body` and answers with the JSON of the answer; `told` hears the share sent, 0 to 1. Throws Problem. */
export function upload<T>(path: string, body: Blob, type: string, told: (ratio: number) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", path);
    const headers = authorise(new Headers({ Accept: "application/json", "Content-Type": type }), "POST");
    headers.forEach((value, name) => request.setRequestHeader(name, value));
    request.upload.onprogress = ({ loaded, total }) => told(total > 0 ? loaded / total : 0);
    request.upload.onload = () => told(1);
    request.onerror = () => reject(unreachable());
    request.onload = () => {
      const { status, statusText, responseText } = request;
      if (status < 300) resolve(JSON.parse(responseText) as T);
      else reject(problemFrom(status, statusText, responseText));
    };
    request.send(body);
  });
}
