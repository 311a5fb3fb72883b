/* demo_raft.c - scenes with Raft: election, split brain, Figure 8, stale reads. */
#include "demo.h"

extern const struct demo demo_raft_election, demo_split_brain, demo_figure_8, demo_figure_8_right, demo_stale_read,
	demo_stale_read_right;

#define GATE(question) question "  Press PgDn or Right."

/* --- raft-election --- */

static const struct demo_step election[] = {
	{ .say = "Three nodes start. All are followers, and none hears a leader. Each waits a time of its own, drawn by chance.",
	  .notes = "Ask: what would happen if all waited for the same time? Expect: all stand at once, and each votes for itself.",
	  .gate = GATE("Who will lead?"), .until = demo_leader, .time_ms = 60 },
	{ .say = "$A stood first. It raised the term, voted for itself and asked the others. Two votes of three are a majority: $A leads.",
	  .notes = "Show request_vote and its answers in Flow (2). A node votes once in a term, so no term has two leaders.",
	  .gate = GATE("What do the others hear from now on?"), .time_ms = 200 },
	{ .say = "Heartbeats: empty append_entries. As long as they come, nobody stands. Now we kill $A.",
	  .notes = "Ask how long it takes until somebody notices. Expect: one election time-out, 150 to 300 ms here.",
	  .gate = GATE("Can two nodes of three go on?"), .act = "kill $A", .until = demo_new_leader, .time_ms = 100 },
	{ .say = "Two of three are a majority. $N leads in a higher term. Now $A comes back. It still knows its old term.",
	  .notes = "What is on disk: term, vote, log. The role is not. It starts as a follower.",
	  .gate = GATE("Will $A lead again?"), .act = "start $A", .until = demo_who_follows, .who = "A", .time_ms = 300 },
	{ .say = "No. $A hears a heartbeat with a higher term, and follows $N.",
	  .notes = "Section 5.1: whoever sees a higher term takes it over and becomes a follower.", .time_ms = 200 },
	{ 0 },
};

const struct demo demo_raft_election = {
	.id = "raft-election", .title = "Raft: an election", .teaches = "how a leader is found, lost and found again",
	.node = "solutions/raft/python/raft.py", .nodes = 3, .latency_ms = 10, .speed = 0.2, .steps = election,
};

/* --- split-brain --- */

static const struct demo_step split_brain[] = {
	{ .say = "Five nodes with Raft. They elect a leader.", .notes = "Let it run. Say what a term is.", .until = demo_leader,
	  .time_ms = 150 },
	{ .say = "$A leads. A client proposes \"apple\". A majority stores it: it is committed, and each node applies it.",
	  .notes = "Follow one append_entries and its answer in Flow.", .gate = GATE("When may $A answer the client?"),
	  .act = "send $A propose command=apple", .until = demo_answered, .time_ms = 200 },
	{ .say = "Now we cut the network: $A and $B on one side, $C, $D and $E on the other.",
	  .notes = "Let the class guess before the key. Count: two here, three there. Expect: a new leader among the three.",
	  .gate = GATE("Which side can elect a leader?"), .act = "cut $A,$B | $C,$D,$E", .until = demo_two_leaders, .time_ms = 200 },
	{ .say = "Two leaders: $A in the old term, $N in a new one. $A does not know that it was deposed.",
	  .notes = "This is allowed. Election Safety says: at most one leader in a TERM.",
	  .gate = GATE("Both get a request. Which can commit it?"),
	  .act = "send $A propose command=banana\nsend $N propose command=cherry", .until = demo_answered, .time_ms = 400 },
	{ .say = "$N has three of five: \"cherry\" is committed. $A has two of five: \"banana\" waits in its log. Its client hears nothing.",
	  .notes = "Nothing is wrong here: an answer that does not come is not a lie. A majority is in one part only.",
	  .gate = GATE("We heal the network. What becomes of banana?"), .act = "heal", .until = demo_who_follows, .who = "A", .time_ms = 400 },
	{ .say = "$A saw the higher term and stepped down. \"banana\" was never committed: $N's log replaces it.",
	  .notes = "Section 5.3: a follower deletes an entry that conflicts. The client of banana asks again, or gets error 14.",
	  .until = demo_applied, .who = "A", .what = "cherry", .time_ms = 200 },
	{ .say = "All five have applied \"apple\" and \"cherry\". There were two leaders, and never two truths.",
	  .notes = "Ask what a system would do that lets any leader answer. Then show the demo stale-read.", .time_ms = 100 },
	{ 0 },
};

const struct demo demo_split_brain = {
	.id = "split-brain", .title = "Raft: split brain", .teaches = "a cut makes two leaders in two terms; only one can commit",
	.node = "tests/right/raft/paper.py", .nodes = 5, .latency_ms = 10, .speed = 0.2, .steps = split_brain,
};

/* --- figure-8: the network makes sure who can win, chance decides only when --- */

#define FIGURE_8_START \
	{ .say = "Five nodes. The first leader is S1 of the paper's Figure 8.", .notes = "Have the figure at hand: section 5.4.2.", \
	  .until = demo_leader, .time_ms = 150 }, \
	{ .say = "$A leads. We cut it off from all but $B. It takes \"x\" into its log, and only $B gets a copy: two of five.", \
	  .notes = "(a) of the figure. Not committed: two is no majority.", .gate = GATE("Is x committed?"), \
	  .act = "cut $A | $C,$D,$E\nsend $A propose command=x", .time_ms = 250 }, \
	{ .say = "No. $A crashes. $E stands, and gets the votes of $C and $D, whose logs are not newer.", \
	  .notes = "The cuts see to it that only $E can win: it alone reaches two others. $B would refuse: it has x.", \
	  .gate = GATE("Who can win without x?"), .act = "kill $A\nheal\ncut $B | $C,$D,$E\ncut $C | $D", .until = demo_who_leads, \
	  .who = "E", .time_ms = 60 }, \
	{ .say = "(b) $E leads in a later term. It takes \"y\" into its own log, reaches nobody, and crashes too.", \
	  .notes = "y stands at the same index as x, with a higher term.", .gate = GATE("Where is y now?"), \
	  .act = "cut $E | $C,$D\nsend $E propose command=y", .time_ms = 150 }, \
	{ .say = "Only on $E's disk. Now $A comes back and is elected by $B and $C.", .notes = "(c) of the figure.", \
	  .act = "kill $E\nheal\nstart $A\ncut $D | $A,$B,$C\ncut $B | $C", .until = demo_who_leads, .who = "A", .time_ms = 100, \
	  .limit_ms = 60000 }

static const struct demo_step figure_8[] = {
	FIGURE_8_START,
	{ .say = "(c) $A copies \"x\" to $C: three of five have it now. This node counts copies, and calls x committed.",
	  .notes = "The shipped wrong node commits_old_term.py. Ask: three of five, what can go wrong?",
	  .gate = GATE("x is on a majority. Is it safe?"), .until = demo_applied, .who = "A", .what = "x", .time_ms = 100 },
	{ .say = "$A has applied x. Now it crashes, and $E comes back. Its last entry, y, has a higher term than x.",
	  .notes = "(d) of the figure. Votes compare the last entry's term first (5.4.1).",
	  .gate = GATE("Will $B and $C vote for $E, though they have x?"),
	  .act = "kill $A\nheal\nstart $E\ncut $B | $C,$D\ncut $C | $D", .until = demo_who_leads, .who = "E", .time_ms = 100, .limit_ms = 60000 },
	{ .say = "They do. $E leads, and its y replaces x everywhere. But $A has applied x already.",
	  .notes = "State Machine Safety is broken: two nodes apply different commands at one index.", .gate = GATE("What do clients see?"),
	  .act = "heal\nsend $E propose command=z", .until = demo_applied, .who = "E", .what = "y", .time_ms = 300 },
	{ .say = "An answer that was given is lost. The rule: a leader counts copies only for entries of its OWN term.",
	  .notes = "Show the demo figure-8-right: the same cuts, the right node.", .time_ms = 50 },
	{ 0 },
};

static const struct demo_step figure_8_right[] = {
	FIGURE_8_START,
	{ .say = "(c) $A copies \"x\" to $C: three of five have it. But x is of an old term, and this node does not count its copies.",
	  .notes = "Figure 2, last rule for leaders: log[N].term == currentTerm.", .gate = GATE("x is on a majority. Is it committed?"),
	  .time_ms = 400 },
	{ .say = "$A waits, and has applied nothing. It crashes, and $E comes back with y.", .notes = "The same cuts as before.",
	  .gate = GATE("Will $B and $C vote for $E, though they have x?"),
	  .act = "kill $A\nheal\nstart $E\ncut $B | $C,$D\ncut $C | $D", .until = demo_who_leads, .who = "E", .time_ms = 100, .limit_ms = 60000 },
	{ .say = "They do. $E leads, and its y replaces x. Nobody had applied x, and no client was told that it is done.",
	  .notes = "y itself is of an old term now. It is committed together with z, which is of $E's own term.",
	  .gate = GATE("What does $E need, so that y is committed?"), .act = "heal\nsend $E propose command=z", .until = demo_applied,
	  .who = "E", .what = "z", .time_ms = 300 },
	{ .say = "An entry of its own term. Then all before it is committed too. Nothing that was applied is lost.",
	  .notes = "That is why many leaders write an empty entry when their term begins (section 8).", .time_ms = 50 },
	{ 0 },
};

const struct demo demo_figure_8 = {
	.id = "figure-8", .title = "Raft: Figure 8, a wrong node", .teaches = "why a leader must not commit an old term's entry by counting",
	.node = "tests/wrong/raft/commits_old_term.py", .nodes = 5, .latency_ms = 5, .speed = 0.2, .steps = figure_8,
};
const struct demo demo_figure_8_right = {
	.id = "figure-8-right", .title = "Raft: Figure 8, the right node", .teaches = "the same cuts, and nothing is lost",
	.node = "tests/right/raft/paper.py", .nodes = 5, .latency_ms = 5, .speed = 0.2, .steps = figure_8_right,
};

/* --- stale-read --- */

#define STALE_START \
	{ .say = "A key-value store on three nodes, with Raft underneath.", .notes = "The lab raft-kv.", .until = demo_leader, .time_ms = 150 }, \
	{ .say = "$A leads. A client writes 1.", .notes = "The answer comes when a majority has it.", .gate = GATE("Where is the 1 now?"), \
	  .act = "send $A write key=1 value=1 session=s1 seq=1", .until = demo_answered, .time_ms = 200 }, \
	{ .say = "Now we cut $A off. $B and $C elect a new leader.", .notes = "$A still believes that it leads.", \
	  .gate = GATE("Does $A know?"), .act = "cut $A | $B,$C", .until = demo_new_leader, .time_ms = 100 }, \
	{ .say = "$N leads. A client writes 2 there, and gets its answer: from now on the value is 2.", \
	  .notes = "Real time matters: the write has ended before the read begins.", .gate = GATE("What must every later read see?"), \
	  .act = "send $N write key=1 value=2 session=s2 seq=1", .until = demo_answered, .time_ms = 100 }

static const struct demo_step stale_read[] = {
	STALE_START,
	{ .say = "Another client reads at $A, the deposed leader. This node answers from its own map.",
	  .notes = "The shipped wrong node reads_locally.py.", .gate = GATE("What will it say?"),
	  .act = "send $A read key=1 session=s3 seq=1", .until = demo_answered, .what = "\"value\":1", .time_ms = 100 },
	{ .say = "1. That was true once. The write of 2 had ended before: this history is not linearizable.",
	  .notes = "Look at 5 Operations: the read begins after the write of 2 has ended. The right node: stale-read-right.", .time_ms = 50 },
	{ 0 },
};

static const struct demo_step stale_read_right[] = {
	STALE_START,
	{ .say = "Another client reads at $A, the deposed leader. This node sends reads through the log.",
	  .notes = "Ask: it needs a majority. Can it get one?", .gate = GATE("What will it say?"),
	  .act = "send $A read key=1 session=s3 seq=1", .time_ms = 600 },
	{ .say = "Nothing. It cannot reach a majority, so it cannot know whether it still leads. Now we heal.",
	  .notes = "Safety first: no answer is better than an old one.", .gate = GATE("What happens to $A?"), .act = "heal",
	  .until = demo_who_follows, .who = "A", .time_ms = 300 },
	{ .say = "$A follows. A read at $N says 2.", .notes = "Other ways: ReadIndex and leases, dissertation section 6.4.",
	  .act = "send $N read key=1 session=s4 seq=1", .until = demo_answered, .what = "\"value\":2", .time_ms = 100 },
	{ 0 },
};

const struct demo demo_stale_read = {
	.id = "stale-read", .title = "Raft: a stale read, a wrong node", .teaches = "a deposed leader answers from its own store",
	.node = "tests/wrong/raft-kv/reads_locally.py", .nodes = 3, .latency_ms = 10, .speed = 0.2, .steps = stale_read,
};
const struct demo demo_stale_read_right = {
	.id = "stale-read-right", .title = "Raft: no stale read, the right node", .teaches = "a leader that cannot know does not answer",
	.node = "solutions/raft-kv/python/raft-kv.py", .nodes = 3, .latency_ms = 10, .speed = 0.2, .steps = stale_read_right,
};
