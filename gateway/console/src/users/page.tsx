// Users: what is held of one person, and their rights over it: export and erasure.

import { useEffect } from "preact/hooks";
import "../styles/users.css";
import { dateAndYear } from "../format";
import { go } from "../router";
import { may, refusal } from "../session";
import { forget, person } from "../simulator/state";
import { Refused } from "../ui/empty";
import { BehaviourCard } from "./behaviour";
import { Decisions } from "./decisions";
import { ConsentCard, DevicesCard, ProfileCard } from "./profile";
import { asked, close, erase, exportAll, find, isBusy, problem, user, type User } from "./state";

export function UsersPage() {
  useEffect(() => close, []);
  return (
    <div class="users">
      <div class="users-column">
        <h1>Users</h1>
        <form class="ask" role="search" onSubmit={(event) => (event.preventDefault(), void find())}>
          <input
            class="mono"
            type="search"
            aria-label="User id"
            placeholder="User id, as your apps send it"
            spellcheck={false}
            value={asked.value}
            onInput={(event) => (asked.value = event.currentTarget.value)}
          />
          <button class="primary" type="submit" disabled={isBusy.value || !asked.value.trim()}>
            Look up
          </button>
        </form>
        <Answer />
      </div>
    </div>
  );
}

function Answer() {
  if (problem.value?.status === 404) {
    return (
      <div class="refused" role="alert">
        <b>Nothing is known of this user</b>
        <p>Check the id; it is case-sensitive. A user who was erased, or never registered by an app, is not known.</p>
      </div>
    );
  }
  return (
    <>
      {problem.value && <Refused problem={problem.value} />}
      {user.value && <Held user={user.value} />}
      {!user.value && !problem.value && (
        <p class="hint">
          There is no list of users here on purpose: you look up one person at a time, because they asked you to. You
          see what they agreed to, their devices, where they were seen to visit, and why they got a push or did not.
        </p>
      )}
    </>
  );
}

function Held({ user: held }: { user: User }) {
  const { user_id, updated_at_ms } = held;
  return (
    <article aria-label={`User ${user_id}`}>
      <header class="user-head">
        <h2>
          <code>{user_id}</code>
        </h2>
        <span class="hint">Changed {dateAndYear(updated_at_ms)}</span>
      </header>
      <div class="user-cards">
        <ConsentCard user={held} />
        <ProfileCard user={held} />
      </div>
      <DevicesCard user={held} />
      <BehaviourCard user={held} />
      <Decisions />
      <footer class="user-foot">
        <button
          class="quiet"
          type="button"
          disabled={isBusy.value || !may("users:export")}
          title={refusal("users:export")}
          onClick={() => void exportAll(user_id)}
        >
          Export
        </button>
        {may("simulations:run") && (
          <button class="quiet" type="button" onClick={() => simulate(user_id)}>
            Try in the simulator
          </button>
        )}
        <button
          class="danger quiet"
          type="button"
          disabled={isBusy.value || !may("users:erase")}
          title={refusal("users:erase")}
          onClick={() => void erase(user_id)}
        >
          Erase
        </button>
      </footer>
    </article>
  );
}

function simulate(userId: string): void {
  forget();
  person.value = { ...person.value, isStored: true, userId };
  go("simulator");
}
