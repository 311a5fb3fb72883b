"""raft: a replicated log whose state machine is one number, the digest.

The paper is Ongaro and Ousterhout, "In Search of an Understandable Consensus Algorithm (Extended Version)", 2014; "thesis"
is Ongaro's of the same year. Numbers in comments are their sections. Each decision of the paper is a method of its own.

Where the paper leaves a choice, this node does the following.
- Before an election it asks whether it could win (pre-vote, thesis 9.6). So a node that was cut off comes back with its old
  term, and a removed server disturbs nobody. A leader that hears no majority steps down (thesis 6.2).
- At most one message with entries is under way to a follower. What comes in meanwhile goes together in the next one.
  Heartbeats carry no entries. An answer to a later message shows that the one before it was lost.
- A new leader begins with an entry without a command: with it, entries of older terms get committed too (5.4.2).
- The answer to a message is matched by the SDK's rpc. So the leader knows what it had sent, and the answer need not say."""
import os, sys
sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), up) for up in ("..", "../../../core/sdk/python")]
import dlab

ELECTION_MIN_MS, ELECTION_MAX_MS = 150, 300   # 9.3
HEARTBEAT_MS = 50
RPC_MS = 1000             # after that, nobody waits for the answer
BATCH_BYTES = 40000       # of commands in one message: a line may have 60,000
TAIL_ENTRIES = 64         # so many entries are written again when one is added
ALPHABET = set("abcdefghijklmnopqrstuvwxyz0123456789 -:")


class Follower:
    """What a leader knows of another node (Figure 2, volatile state on leaders)."""

    def __init__(self, next_index, now):
        self.next = next_index   # the first entry to send
        self.match = 0           # up to here its log is surely the leader's
        self.awaited = 0         # the number of the message with entries that is under way; 0: none is
        self.answered = now      # when it answered last


class Raft:
    def __init__(self, node):
        self.node = node
        # Persistent state (Figure 2)
        self.term = 0
        self.vote = None         # whom this node voted for in this term
        self.log = []            # the entries after the snapshot: {"term", "command"}, and "members" in a change of them
        self.snapshot = {"index": 0, "term": 0, "digest": 0, "members": []}
        # Volatile state
        self.role = "follower"
        self.leader = None       # the leader of this term, as far as known
        self.heard_ms = -ELECTION_MAX_MS   # when the leader was heard last
        self.commit = 0
        self.applied = 0
        self.digest = 0
        self.changes = []        # (index, members) of each change in the log; the first one: of the snapshot
        self.votes = None        # who has voted for this node in the election that is going on
        self.followers = {}      # name -> Follower; a leader's alone
        self.sent = 0            # how many messages this leader has sent
        self.waiting = {}        # index -> (term, request): clients that wait for an entry
        self.reported = None
        self.tail, self.generation = 1, 0   # see save_log
        for kind, handler in [("request_vote", self.request_vote), ("append_entries", self.append_entries),
                              ("install_snapshot", self.install_snapshot)]:
            node.on(kind, self.only_from_nodes(handler))
        node.on("init", self.start)
        node.on("propose", self.propose)
        node.on("reconfigure", self.reconfigure)

    def only_from_nodes(self, handler):
        def handle(msg):
            if msg["src"] in self.node.node_ids:
                handler(msg)
            else:
                self.node.reply_error(msg, 12, "only a node may say that")
        return handle

    def start(self, msg):
        self.snapshot["members"] = self.node.config.get("members") or self.node.node_ids
        self.load()
        self.commit = self.applied = self.snapshot["index"]
        self.digest = self.snapshot["digest"]
        self.report()
        if self.applied > 0:
            self.report_snapshot()
        self.reset_election_timer()

    # --- the log; indexes begin at 1 ---

    def last_index(self):
        return self.snapshot["index"] + len(self.log)

    def term_at(self, index):
        """The term of an entry that is in the log, or the last one in the snapshot."""
        if index == self.snapshot["index"]:
            return self.snapshot["term"]
        return self.entry(index)["term"]

    def last_term(self):
        return self.term_at(self.last_index())

    def entry(self, index):
        return self.log[index - self.snapshot["index"] - 1]

    def entries_from(self, index):
        return self.log[index - self.snapshot["index"] - 1:]

    def drop_from(self, index):
        del self.log[index - self.snapshot["index"] - 1:]
        while self.changes[-1][0] >= index:
            self.changes.pop()

    def add(self, entries):
        for entry in entries:
            self.log.append(entry)
            if "members" in entry:
                self.changes.append((self.last_index(), entry["members"]))

    # --- the disk: everything is saved before anybody hears of it (5, Figure 2) ---

    def save_term_and_vote(self):
        self.node.save("vote", {"term": self.term, "vote": self.vote})

    def save_log(self, first):
        """The entries from `first` on are new. Two files, so that one more entry does not cost writing all: "log" has the
        snapshot and the log before `tail`, "tail" what was added since. Another "log" makes an old "tail" void."""
        if first < self.tail or self.last_index() - self.tail >= TAIL_ENTRIES:
            self.generation += 1
            self.tail = self.last_index() + 1
            self.node.save("log", {"generation": self.generation, "snapshot": self.snapshot, "entries": self.log})
        else:
            self.node.save("tail", {"generation": self.generation, "entries": self.entries_from(self.tail)})

    def load(self):
        saved = self.node.load("vote")
        if saved:
            self.term, self.vote = saved["term"], saved["vote"]
        saved = self.node.load("log") or {"generation": 0, "snapshot": self.snapshot, "entries": []}
        self.generation, self.snapshot = saved["generation"], saved["snapshot"]
        self.changes = [(self.snapshot["index"], self.snapshot["members"])]
        self.add(saved["entries"])
        self.tail = self.last_index() + 1
        tail = self.node.load("tail")
        if tail and tail["generation"] == self.generation:
            self.add(tail["entries"])

    # --- reports to the judge ---

    def report(self):
        state = {"role": self.role, "term": self.term, "vote": self.vote, "commit": self.commit,
                 "last_index": self.last_index(), "last_term": self.last_term()}
        if state != self.reported:
            self.reported = state
            self.node.state(state)

    def report_snapshot(self):
        self.node.apply({"index": self.snapshot["index"], "term": self.snapshot["term"], "snapshot": True,
                         "digest": self.snapshot["digest"]})

    # --- terms and roles (5.1) ---

    def on_higher_term(self, term):
        """All servers: who sees a higher term takes it over and becomes follower."""
        if term > self.term:
            self.term, self.vote, self.leader = term, None, None
            self.save_term_and_vote()
            self.become_follower()

    def become_follower(self):
        if self.role == "leader":
            self.reset_election_timer()
        self.role = "follower"
        self.votes = None
        self.report()

    def on_leader(self, msg):
        """A message of the leader of this term."""
        self.become_follower()
        self.leader = msg["src"]
        self.heard_ms = self.node.now()
        self.reset_election_timer()

    def hears_leader(self):
        return self.role == "leader" or self.node.now() - self.heard_ms < ELECTION_MIN_MS

    # --- elections (5.2, 5.4.1) ---

    def election_timeout(self):
        return ELECTION_MIN_MS + self.node.random(ELECTION_MAX_MS - ELECTION_MIN_MS)

    def reset_election_timer(self):
        self.node.timer("election", self.election_timeout(), self.on_election_timeout)

    def on_election_timeout(self):
        self.reset_election_timer()
        if self.role != "leader" and self.may_campaign():
            self.leader = None
            self.become_follower()
            self.campaign()

    def campaign(self):
        """Asks first whether it could win (thesis 9.6). The paper's Raft calls become_candidate() here."""
        self.ask_for_votes(pre_vote=True)

    def may_campaign(self):
        """A member may, and so may one whose removal is in its log only: nobody else may be able to win (thesis 4.2.2)."""
        return self.node.node_id in self.members() or self.node.node_id in self.committed_members()

    def become_candidate(self):
        self.term, self.vote = self.term + 1, self.node.node_id
        self.save_term_and_vote()
        self.role = "candidate"
        self.report()
        self.reset_election_timer()
        self.ask_for_votes(pre_vote=False)

    def ask_for_votes(self, pre_vote):
        """A pre-vote asks for the next term and changes nothing, neither here nor there."""
        votes = self.votes = {self.node.node_id}
        question = {"type": "request_vote", "term": self.term + pre_vote, "candidate_id": self.node.node_id,
                    "last_log_index": self.last_index(), "last_log_term": self.last_term(), "pre_vote": pre_vote}
        for peer in self.peers(self.members()):
            self.node.rpc(peer, question, lambda answer: self.on_vote(votes, pre_vote, answer), RPC_MS)
        self.count_votes(pre_vote)

    def on_vote(self, votes, pre_vote, answer):
        body = answer["body"]
        if not self.is_answer(answer, "request_vote_ok"):
            return
        self.on_higher_term(body["term"])
        if body["vote_granted"] and self.is_present_election(votes):
            self.votes.add(answer["src"])
            self.count_votes(pre_vote)

    def is_present_election(self, votes):
        """Each election has a set of its own: an answer to an older one counts no more."""
        return self.votes is votes

    def count_votes(self, pre_vote):
        if self.have_majority(self.votes):
            if pre_vote:
                self.become_candidate()
            else:
                self.become_leader()

    def request_vote(self, msg):
        body = msg["body"]
        if body["pre_vote"]:
            granted = self.would_vote(body)
        else:
            self.on_higher_term(body["term"])
            granted = self.may_vote(body)
            if granted:
                self.grant_vote(msg["src"])
        self.node.reply(msg, {"type": "request_vote_ok", "term": self.term, "vote_granted": granted})

    def would_vote(self, body):
        """Nobody needs an election while there is a leader (thesis 4.2.3)."""
        return body["term"] > self.term and not self.hears_leader() and self.is_up_to_date(body)

    def may_vote(self, body):
        return body["term"] == self.term and self.vote in (None, body["candidate_id"]) and self.is_up_to_date(body)

    def is_up_to_date(self, body):
        """The candidate's log is at least as up-to-date as the own (5.4.1)."""
        return (body["last_log_term"], body["last_log_index"]) >= (self.last_term(), self.last_index())

    def grant_vote(self, candidate):
        self.vote = candidate
        self.save_term_and_vote()
        self.reset_election_timer()
        self.report()

    def majority(self):
        return len(self.members()) // 2 + 1

    def have_majority(self, nodes):
        return len([n for n in self.members() if n in nodes]) >= self.majority()

    # --- the leader: replication (5.3) ---

    def become_leader(self):
        self.role = "leader"
        self.votes = None
        self.leader = self.node.node_id
        self.followers = {n: Follower(self.last_index() + 1, self.node.now()) for n in self.node.node_ids}
        self.node.cancel_timer("election")
        self.report()
        self.node.timer("heartbeat", HEARTBEAT_MS, self.on_heartbeat)
        self.first_entry()

    def first_entry(self):
        """An entry of the new term at once: it tells all others who leads, too."""
        self.append({"term": self.term, "command": None})

    def append(self, entry):
        """A leader only adds to its log."""
        self.add([entry])
        self.save_log(self.last_index())
        for peer in self.receivers():
            self.replicate(peer)
        self.advance_commit()   # when this node is a majority by itself

    def on_heartbeat(self):
        if self.role == "leader" and self.has_lost_majority():
            self.become_follower()
        if self.role != "leader":
            return
        self.node.timer("heartbeat", HEARTBEAT_MS, self.on_heartbeat)
        for peer in self.receivers():
            self.send(peer)

    def has_lost_majority(self):
        since = self.node.now() - ELECTION_MAX_MS
        heard = [n for n, f in self.followers.items() if f.answered >= since]
        return not self.have_majority(heard + [self.node.node_id])

    def replicate(self, peer):
        """Entries go at once, or when the message that is under way is answered."""
        if self.followers[peer].awaited == 0 and self.followers[peer].next <= self.last_index():
            self.send(peer)

    def send(self, peer):
        follower = self.followers[peer]
        if follower.next <= self.snapshot["index"]:
            self.send_snapshot(peer)
        else:
            self.send_entries(peer, [] if follower.awaited else self.batch(follower.next))

    def batch(self, index):
        """What fits into one message, and one entry at least."""
        entries, size = [], 0
        for entry in self.entries_from(index):
            size += 100 + len(entry["command"] or "")
            if entries and size > BATCH_BYTES:
                break
            entries.append(entry)
        return entries

    def send_entries(self, peer, entries):
        prev = self.followers[peer].next - 1
        number, last = self.number_message(peer, bool(entries)), prev + len(entries)
        self.ask(peer, {"type": "append_entries", "prev_log_index": prev, "prev_log_term": self.term_at(prev),
                        "entries": entries, "leader_commit": self.commit},
                 lambda body: self.on_append_answer(peer, number, prev, last, body))

    def send_snapshot(self, peer):
        """It is small, so it is a heartbeat too."""
        snapshot = self.snapshot
        number = self.number_message(peer, True)
        self.ask(peer, {"type": "install_snapshot", "last_included_index": snapshot["index"],
                        "last_included_term": snapshot["term"], "digest": snapshot["digest"], "members": snapshot["members"]},
                 lambda body: self.on_match(peer, number, snapshot["index"]))

    def number_message(self, peer, has_entries):
        self.sent += 1
        if has_entries:
            self.followers[peer].awaited = self.sent
        return self.sent

    def ask(self, peer, question, on_answer):
        """Calls on_answer(body) only while this node is still leader of the same term."""
        term = self.term

        def handle(answer):
            if not self.is_answer(answer, question["type"] + "_ok"):
                return
            self.on_higher_term(answer["body"]["term"])
            if self.role == "leader" and self.term == term:
                self.followers[peer].answered = self.node.now()
                on_answer(answer["body"])
        self.node.rpc(peer, dict(question, term=term, leader_id=self.node.node_id), handle, RPC_MS)

    def is_answer(self, answer, kind):
        """No time-out, no error, and no client that has guessed a number."""
        return answer["body"]["type"] == kind and answer["src"] in self.node.node_ids

    def on_append_answer(self, peer, number, prev, last, body):
        follower = self.followers[peer]
        if body["success"]:
            self.on_match(peer, number, last)
        elif prev == follower.next - 1:   # else this is known already
            follower.next = self.back_up(prev, body)
            follower.awaited = 0
            self.send(peer)

    def back_up(self, prev, body):
        """Goes back a whole term at once (the end of 5.3)."""
        index = body["conflict_index"]
        if body["conflict_term"] is not None:
            mine = prev
            while mine > self.snapshot["index"] and self.term_at(mine) > body["conflict_term"]:
                mine -= 1
            if mine > self.snapshot["index"] and self.term_at(mine) == body["conflict_term"]:
                index = mine + 1
        return max(1, min(index, prev))

    def on_match(self, peer, number, index):
        follower = self.followers[peer]
        if number >= follower.awaited:
            follower.awaited = 0
        follower.match = max(follower.match, index)
        follower.next = max(follower.next, follower.match + 1)
        self.advance_commit()
        if self.role == "leader":
            self.replicate(peer)

    def advance_commit(self):
        """The highest index that a majority has, if it is of this term (5.3, 5.4.2)."""
        index = self.majority_match()
        if index > self.commit and self.may_commit(index):
            self.set_commit(index)

    def majority_match(self):
        match = [self.last_index() if n == self.node.node_id else self.followers[n].match for n in self.members()]
        return sorted(match, reverse=True)[self.majority() - 1]

    def may_commit(self, index):
        """An entry of an older term is committed by one of this term after it, never by counting (Figure 8)."""
        return self.term_at(index) == self.term

    # --- the follower: replication (5.3) ---

    def append_entries(self, msg):
        body = msg["body"]
        self.on_higher_term(body["term"])
        answer = {"type": "append_entries_ok", "term": self.term, "success": False}
        if body["term"] == self.term:
            self.on_leader(msg)
            prev, entries = body["prev_log_index"], body["entries"]
            if self.accepts(prev, body["prev_log_term"]):
                self.truncate_and_append(prev, entries)
                self.follow_commit(body["leader_commit"], prev + len(entries))
                answer["success"] = True
            else:
                answer.update(self.conflict(prev))
        self.node.reply(msg, answer)

    def accepts(self, prev_index, prev_term):
        """Log Matching: the log has the entry before the new ones. What is in the snapshot is committed: all have it."""
        if prev_index <= self.snapshot["index"]:
            return True
        return prev_index <= self.last_index() and self.term_at(prev_index) == prev_term

    def truncate_and_append(self, prev_index, entries):
        """An entry is dropped only when it conflicts with a new one: an old message must not shorten the log."""
        for skip, entry in enumerate(entries):
            index = prev_index + 1 + skip
            if index > self.last_index() or index > self.snapshot["index"] and self.term_at(index) != entry["term"]:
                self.drop_from(index)
                self.add(entries[skip:])
                self.save_log(index)
                return

    def conflict(self, prev_index):
        """What the leader needs to go back: a log that is too short, or the first entry of the wrong term."""
        if prev_index > self.last_index():
            return {"conflict_index": self.last_index() + 1, "conflict_term": None}
        index = prev_index
        while index - 1 > self.snapshot["index"] and self.term_at(index - 1) == self.term_at(prev_index):
            index -= 1
        return {"conflict_index": index, "conflict_term": self.term_at(prev_index)}

    def follow_commit(self, leader_commit, last_new_index):
        """No further than the last entry that this message has shown to be the leader's, and never back."""
        index = min(leader_commit, last_new_index)
        if index > self.commit:
            self.set_commit(index)

    # --- the state machine ---

    def set_commit(self, index):
        before = self.receivers()
        self.commit = index
        self.report()
        self.apply_committed()
        if self.role == "leader":
            self.after_commit([n for n in before if n not in self.receivers()])

    def apply_committed(self):
        while self.applied < self.commit:
            self.applied += 1
            self.apply(self.applied, self.entry(self.applied))
        limit = self.node.config.get("snapshot_entries")
        if limit and self.applied - self.snapshot["index"] > limit:
            self.take_snapshot()

    def apply(self, index, entry):
        for byte in (entry["command"] or "").encode():
            self.digest = (self.digest * 31 + byte) % 1000000007
        self.node.apply(dict(entry, index=index))
        term, request = self.waiting.pop(index, (None, None))
        if request is None:
            return
        if term != entry["term"]:
            self.node.reply_error(request, 14, "another entry has taken its place")
        elif "members" in entry:
            self.node.reply(request, {"type": "reconfigure_ok", "members": entry["members"]})
        else:
            self.node.reply(request, {"type": "propose_ok", "index": index, "digest": self.digest})

    # --- snapshots (7) ---

    def take_snapshot(self):
        log = self.entries_from(self.applied + 1)
        self.set_snapshot({"index": self.applied, "term": self.term_at(self.applied), "digest": self.digest,
                           "members": self.committed_members()}, log)

    def set_snapshot(self, snapshot, log):
        """Snapshot and log are saved as one: no crash can come between them."""
        self.snapshot, self.log = snapshot, []
        self.changes = [(snapshot["index"], snapshot["members"])]
        self.add(log)
        self.save_log(0)

    def install_snapshot(self, msg):
        body = msg["body"]
        self.on_higher_term(body["term"])
        if body["term"] == self.term:
            self.on_leader(msg)
            if self.is_news(body["last_included_index"]):
                self.adopt_snapshot({"index": body["last_included_index"], "term": body["last_included_term"],
                                     "digest": body["digest"], "members": body["members"]})
        self.node.reply(msg, {"type": "install_snapshot_ok", "term": self.term})

    def is_news(self, index):
        """An old message, or a copy: a node that has applied more already must not go back."""
        return index > self.applied

    def adopt_snapshot(self, snapshot):
        index, log = snapshot["index"], []
        if index <= self.last_index() and self.term_at(index) == snapshot["term"]:
            log = self.entries_from(index + 1)   # Figure 13, step 6
        self.set_snapshot(snapshot, log)
        self.commit = self.applied = index
        self.digest = snapshot["digest"]
        self.report()
        self.report_snapshot()
        for lost in [i for i in self.waiting if i <= index]:
            self.node.reply_error(self.waiting.pop(lost)[1], 13, "what became of it is hidden in a snapshot")

    # --- members, one at a time (thesis 4) ---

    def members(self):
        """The latest ones in the log count, committed or not (thesis 4.1)."""
        return self.changes[-1][1]

    def committed_members(self):
        return [members for index, members in self.changes if index <= self.commit][-1]

    def peers(self, members):
        return [n for n in members if n != self.node.node_id]

    def receivers(self):
        """Who gets entries: the members, and one that is being removed, until it is."""
        return [n for n in self.node.node_ids if n in self.peers(self.members() + self.committed_members())]

    def after_commit(self, removed):
        for peer in removed:
            self.followers[peer].awaited = 0
            self.send(peer)   # the last message to it, with all that it may lack: now it knows
        if self.must_step_down():
            self.become_follower()

    def must_step_down(self):
        """A leader that is removed leads until that is committed (thesis 4.2.2)."""
        return self.node.node_id not in self.committed_members()

    def may_reconfigure(self):
        """The last change is committed, and so is an entry of this term (thesis 4.1, and the author's note of 2015)."""
        return self.changes[-1][0] <= self.commit and self.term_at(self.commit) == self.term

    # --- clients ---

    def propose(self, msg):
        command = msg["body"].get("command")
        if type(command) is not str or not ALPHABET.issuperset(command) or len(command) > BATCH_BYTES:
            self.node.reply_error(msg, 12, "a command is a text of a-z, 0-9, space, - and :")
        elif self.role != "leader":
            self.refuse(msg, "not the leader")
        else:
            self.append_for(msg, {"term": self.term, "command": command})

    def reconfigure(self, msg):
        node, adds = msg["body"].get("add"), "add" in msg["body"]
        if not adds:
            node = msg["body"].get("remove")
        if node not in self.node.node_ids:
            self.node.reply_error(msg, 12, "add or remove a node")
        elif self.role != "leader":
            self.refuse(msg, "not the leader")
        elif not self.may_reconfigure():
            self.refuse(msg, "a change is in progress, or the leader is new")
        else:
            members = [n for n in self.members() if n != node] + [node] * adds
            if members:
                self.append_for(msg, {"term": self.term, "command": None, "members": members})
            else:
                self.node.reply_error(msg, 12, "one member must stay")

    def append_for(self, request, entry):
        self.waiting[self.last_index() + 1] = (self.term, request)
        self.append(entry)

    def refuse(self, msg, text):
        self.node.reply(msg, {"type": "error", "code": 11, "text": text, "leader": self.leader})


def main(solution=Raft):
    node = dlab.Node()
    solution(node)
    node.run()


if __name__ == "__main__":
    main()
