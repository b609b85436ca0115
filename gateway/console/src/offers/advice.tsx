// What is possible but doubtful, told while one writes; the same word about several languages is told once.

import { advice } from "./state";

export function AdvicePanel() {
  if (advice.value.length === 0) return null;
  const details = [...new Set(advice.value.map(({ detail }) => detail))];
  return (
    <section class="advice" role="status" aria-label="Good to know">
      <b>Good to know</b>
      <ul>
        {details.map((detail) => (
          <li key={detail}>{detail}</li>
        ))}
      </ul>
    </section>
  );
}
