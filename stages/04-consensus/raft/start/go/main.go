// raft: a log of commands that a majority agrees on.
//
// Clients send {"type": "propose", "command": "..."} to any node. This node starts, reports that it is follower, and leaves
// the rest to you. Keep Figure 2 of the paper at hand.
package main

import "dlab"

type entry struct {
	Term    int64   `json:"term"`
	Command *string `json:"command"`
}

type raft struct {
	n      *dlab.Node
	role   string
	term   int64 // to be saved, like vote and log: n.Save, n.Load
	vote   *string
	log    []entry // index 1 is log[0]
	commit int64
}

// After each change of role, term or vote: the judge knows them only by this.
func (r *raft) report() {
	lastTerm := int64(0)
	if len(r.log) > 0 {
		lastTerm = r.log[len(r.log)-1].Term
	}
	r.n.State(dlab.Body{"role": r.role, "term": r.term, "vote": r.vote, "commit": r.commit,
		"last_index": len(r.log), "last_term": lastTerm})
}

func (r *raft) startElectionTimer() {
	r.n.Timer("election", int64(150+r.n.Random(150)), r.onElectionTimeout)
}

func (r *raft) onElectionTimeout() {
	// Your code comes here: a new term, your own vote, role candidate, report, and to each other node (n.IDs)
	// n.RPC(peer, dlab.Body{"type": "request_vote", "term": r.term, ...}, onVote, 100).
	r.startElectionTimer()
}

func main() {
	n := dlab.New()
	r := &raft{n: n, role: "follower"}

	n.On("init", func(m dlab.Message) {
		// The body's "config" may name the voting "members". Load here what an earlier life has saved.
		r.report()
		r.startElectionTimer()
	})

	n.On("request_vote", func(m dlab.Message) {
		n.Reply(m, dlab.Body{"type": "request_vote_ok", "term": r.term, "vote_granted": false})
	})

	n.On("append_entries", func(m dlab.Message) {
		n.Reply(m, dlab.Body{"type": "append_entries_ok", "term": r.term, "success": false})
	})

	n.On("propose", func(m dlab.Message) {
		if r.role != "leader" {
			n.ReplyError(m, 11, "not the leader")
			return
		}
		// Your code comes here: append it, save, send it to all, and reply propose_ok with index and digest when it is
		// applied: n.Apply(dlab.Body{"index": ..., "term": ..., "command": ...}) for each entry, in order.
	})

	n.On("reconfigure", func(m dlab.Message) { n.ReplyError(m, 11, "not the leader") })

	n.Run()
}
