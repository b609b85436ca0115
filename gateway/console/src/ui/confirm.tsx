// One question at a time, asked in the browser's own dialog: focus is kept inside and Escape answers no.

import { signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";

interface Question {
  title: string;
  text: string;
  yes: string;
  answer: (agreed: boolean) => void;
}

const question = signal<Question | null>(null);

/** Asks and waits; true only where the reader agreed. `yes` names the deed: "Delete", not "OK". */
export function confirmed(title: string, text: string, yes: string): Promise<boolean> {
  return new Promise((resolve) => {
    question.value = {
      title,
      text,
      yes,
      answer: (agreed) => {
        question.value = null;
        resolve(agreed);
      },
    };
  });
}

export function ConfirmDialog() {
  const dialog = useRef<HTMLDialogElement>(null);
  const asked = question.value;
  useEffect(() => {
    if (asked) dialog.current?.showModal();
  }, [asked]);
  if (!asked) return null;
  return (
    <dialog ref={dialog} class="dialog" aria-labelledby="question" onCancel={() => asked.answer(false)}>
      <h2 id="question">{asked.title}</h2>
      <p>{asked.text}</p>
      <footer>
        <button class="quiet" type="button" onClick={() => asked.answer(false)}>
          Cancel
        </button>
        <button class="danger" type="button" onClick={() => asked.answer(true)}>
          {asked.yes}
        </button>
      </footer>
    </dialog>
  );
}
