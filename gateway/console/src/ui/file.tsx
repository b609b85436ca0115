// A button that asks for a file. The same file may be chosen again, mended meanwhile.

import { useRef } from "preact/hooks";

interface FileProps {
  /** On the button. */
  text: string;
  /** What the file is, for those who do not see the button. */
  label: string;
  accept: string;
  look: "quiet" | "link";
  take: (file: File) => void;
  disabled?: boolean;
}

export function FileButton({ text, label, accept, look, take, disabled = false }: FileProps) {
  const input = useRef<HTMLInputElement>(null);
  const onChange = (event: { currentTarget: HTMLInputElement }): void => {
    const file = event.currentTarget.files?.[0];
    event.currentTarget.value = "";
    if (file) take(file);
  };
  return (
    <>
      <button class={look} type="button" disabled={disabled} onClick={() => input.current?.click()}>
        {text}
      </button>
      <input ref={input} hidden type="file" aria-label={label} accept={accept} onChange={onChange} />
    </>
  );
}
