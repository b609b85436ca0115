// What is possible but doubtful, as a saved document's warnings; the same word about several places is told once.

export interface Advice {
  pointer: string;
  detail: string;
}

export function AdvicePanel({ of }: { of: readonly Advice[] }) {
  if (of.length === 0) return null;
  const details = [...new Set(of.map(({ detail }) => detail))];
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
