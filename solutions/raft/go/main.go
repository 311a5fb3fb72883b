// raft: a log that all members agree on, and a state machine (one number, the digest) that follows it.
//
// After Ongaro and Ousterhout, "In Search of an Understandable Consensus Algorithm (Extended Version)", 2014: sections without
// a name are that paper's. "Thesis" is Ongaro's "Consensus: Bridging Theory and Practice", 2014.
//
// The RPCs are the paper's, as plain messages that may be lost, doubled or late. An answer tells all that is needed to
// understand it, so nobody remembers what it was an answer to.
//
// What must survive a crash is saved in the handler that changes it. What a handler sends leaves the process when it is done.
// So everything is on the disk before anybody hears of it.
//
// A leader has at most one message with entries on its way to a follower. What is proposed meanwhile goes with the next one:
// few messages when there is much to do, no delay when there is little.
//
// A node asks whether it could win before it becomes a candidate (pre-vote, thesis 9.6), and nobody helps to depose a leader
// that is well (thesis 4.2.3). So a node that comes back from a partition, or that was removed, does not disturb. A leader that
// hears no majority gives up (thesis 6.2). Members change one server at a time (thesis, chapter 4).
package main

import (
	"encoding/json"

	"dlab"
)

const (
	heartbeatMs   = 50
	electionMinMs = 150 // an election time-out is chosen by chance from 150 to 299 ms (section 9.3)
	electionMaxMs = 300
	quorumMs      = 600   // a leader gives up when no majority has answered for so long
	resendMs      = 150   // entries that are not confirmed by then are sent again
	catchUpMs     = 5000  // a new server gets all entries within this time, or it is not added
	batchBytes    = 40000 // of commands in a message; a line has at most 60,000
	entryBytes    = 40    // what an entry takes besides its command
)

type role int

const (
	follower role = iota
	preCandidate
	candidate
	leader
)

var roleNames = []string{"follower", "follower", "candidate", "leader"}

// What the leader knows of another node.
type peer struct {
	next     int64 // nextIndex: what to send next
	match    int64 // matchIndex: it has our log up to here
	sent     int64 // the last entry that was sent to it
	resendAt int64 // `sent` is not confirmed; when to send again. 0: nothing is on its way
	sentAt   int64 // the last message to it
	heardAt  int64 // the last answer
}

// A client that waits for its answer, and its entry.
type waiting struct {
	request     dlab.Message
	index, term int64
}

// The state after an entry, the last of those that are no longer in the log.
type snapshot struct {
	Index   int64    `json:"index"`
	Term    int64    `json:"term"`
	Members []string `json:"members"`
	Digest  int64    `json:"digest"`
}

type raft struct {
	*dlab.Node
	// On the disk.
	term     int64
	vote     string // for whom, in this term; "": nobody
	log      raftLog
	snapshot snapshot
	// In memory.
	role            role
	leader          string // of this term, as far as we know; "": unknown
	commit, applied int64
	digest          int64    // the state machine, after `applied`
	appliedMembers  []string // the members as of `applied`
	members         []string // as of the last entry, committed or not (thesis 4.1)
	snapshotEntries int64    // fold the log when so many applied entries are in it; 0: never
	// Elections.
	electionAt    int64           // the election time-out ends
	heardLeaderAt int64           // the leader's last message
	electionTimer bool            // the timer is set; it may ring too early
	votes         map[string]bool // who voted for us
	// A leader's.
	peers          map[string]*peer
	firstOwn       int64  // the first entry of its term
	newcomer       string // a server to be added that gets the log first; "": none
	newcomerGoal   int64
	newcomerStopAt int64
	newcomerAsker  dlab.Message
	waiting        []waiting
}

// --- sets of nodes ---

func has(nodes []string, name string) bool {
	for _, node := range nodes {
		if node == name {
			return true
		}
	}
	return false
}

func without(nodes []string, name string) []string {
	rest := []string{}
	for _, node := range nodes {
		if node != name {
			rest = append(rest, node)
		}
	}
	return rest
}

func (r *raft) isMajority(in func(name string) bool) bool {
	count := 0
	for _, name := range r.members {
		if in(name) {
			count++
		}
	}
	return 2*count > len(r.members)
}

// JSON null for "".
func orNull(name string) interface{} {
	if name == "" {
		return nil
	}
	return name
}

// --- what must survive a crash (Figure 2, persistent state; section 7) ---

type savedVote struct {
	Term int64  `json:"term"`
	Vote string `json:"vote"`
}

func (r *raft) saveVote() { r.Save("vote", savedVote{r.term, r.vote}) }

func (r *raft) takeSnapshot() {
	r.snapshot = snapshot{r.applied, r.log.term(r.applied), r.appliedMembers, r.digest}
	r.Save("snapshot", r.snapshot)
	r.log.compact(r.snapshot.Index, r.snapshot.Term)
}

// --- reports ---

func (r *raft) reportState() {
	r.State(dlab.Body{"role": roleNames[r.role], "term": r.term, "vote": orNull(r.vote), "commit": r.commit,
		"last_index": r.log.lastIndex(), "last_term": r.log.lastTerm()})
}

func (r *raft) reportApplied(index int64) {
	e := r.log.at(index)
	report := dlab.Body{"index": index, "term": e.Term, "command": e.Command}
	if e.Members != nil {
		report["members"] = e.Members
	}
	r.Apply(report)
}

func (r *raft) reportSnapshot() {
	r.Apply(dlab.Body{"index": r.snapshot.Index, "term": r.snapshot.Term, "snapshot": true, "digest": r.snapshot.Digest})
}

// --- answers to clients ---

func (r *raft) refuse(m dlab.Message, why string) {
	r.Reply(m, dlab.Body{"type": "error", "code": 11, "text": why, "leader": orNull(r.leader)})
}

// Answers one who waits for the entry that was just applied. That this node may no longer lead does not matter. When another
// entry is committed in the place of the client's, then it is certain that the client's never will be; not before: a node that
// still has it may become leader (Figure 8).
func (r *raft) answerApplied(w waiting) {
	e := r.log.at(w.index)
	switch {
	case e.Term != w.term:
		r.ReplyError(w.request, 14, "a new leader has replaced the entry")
	case e.Members != nil:
		r.Reply(w.request, dlab.Body{"type": "reconfigure_ok", "members": e.Members})
	default:
		r.Reply(w.request, dlab.Body{"type": "propose_ok", "index": w.index, "digest": r.digest})
	}
}

// Answers those who wait for the entry that was just applied, or for one that a snapshot has covered.
func (r *raft) answerWaiting() {
	kept := r.waiting[:0]
	for _, w := range r.waiting {
		if w.index > r.applied {
			kept = append(kept, w)
		} else if w.index > r.log.prevIndex {
			r.answerApplied(w)
		} else {
			r.ReplyError(w.request, 13, "a snapshot came in between")
		}
	}
	r.waiting = kept
}

func (r *raft) waitForEntry(m dlab.Message, index int64) {
	r.waiting = append(r.waiting, waiting{m, index, r.log.term(index)})
}

// --- the state machine ---

func digestAfter(digest int64, command string) int64 {
	for i := 0; i < len(command); i++ {
		digest = (digest*31 + int64(command[i])) % 1000000007
	}
	return digest
}

func (r *raft) applyNext() {
	r.applied++
	e := r.log.at(r.applied)
	if e.Command != nil {
		r.digest = digestAfter(r.digest, *e.Command)
	}
	r.reportApplied(r.applied)
	r.answerWaiting()
	if e.Members != nil {
		r.membersApplied(e.Members)
	}
}

// Raises the commit index, if it is lower (Figure 2, rules for all servers).
func (r *raft) commitTo(index int64) {
	r.commit = max(r.commit, index)
	for r.applied < r.commit {
		r.applyNext()
	}
	if r.snapshotEntries > 0 && r.applied-r.log.prevIndex > r.snapshotEntries {
		r.takeSnapshot()
	}
}

// --- terms and roles (section 5.1) ---

// The timer is not set anew at each heartbeat: when it rings too early it is set for the rest.
func (r *raft) setElectionTimer() {
	if !r.electionTimer {
		r.Timer("election", r.electionAt-r.Now(), r.onElectionTimer)
	}
	r.electionTimer = true
}

func (r *raft) restartElectionTimeout() {
	r.electionAt = r.Now() + electionMinMs + int64(r.Random(electionMaxMs-electionMinMs))
	r.setElectionTimer()
}

func (r *raft) dropNewcomer(why string) {
	if r.newcomer != "" {
		r.refuse(r.newcomerAsker, why)
	}
	r.newcomer = ""
}

// A follower in this term or in a later one.
func (r *raft) becomeFollower(term int64, of string) {
	before, later := r.role, term > r.term
	r.role, r.leader = follower, of
	if later {
		r.term, r.vote = term, ""
		r.saveVote()
	}
	if before == leader {
		r.CancelTimer("heartbeat")
		r.dropNewcomer("the leadership was lost")
		r.restartElectionTimeout()
	}
	if later || before >= candidate {
		r.reportState()
	}
}

// --- replication: the leader (section 5.3) ---

type appendEntries struct {
	Type         string  `json:"type"`
	Term         int64   `json:"term"`
	LeaderID     string  `json:"leader_id"`
	PrevLogIndex int64   `json:"prev_log_index"`
	PrevLogTerm  int64   `json:"prev_log_term"`
	Entries      []entry `json:"entries"`
	LeaderCommit int64   `json:"leader_commit"`
}

type installSnapshot struct {
	Type              string   `json:"type"`
	Term              int64    `json:"term"`
	LeaderID          string   `json:"leader_id"`
	LastIncludedIndex int64    `json:"last_included_index"`
	LastIncludedTerm  int64    `json:"last_included_term"`
	Members           []string `json:"members"`
	Digest            int64    `json:"digest"`
}

// The answer to both. A rejection tells the term of the follower's entry at prev_log_index (-1: its log is shorter), and the
// first index of that term.
type appendAnswer struct {
	Type          string `json:"type"`
	Term          int64  `json:"term"`
	Success       bool   `json:"success"`
	MatchIndex    int64  `json:"match_index"`
	PrevLogIndex  int64  `json:"prev_log_index"`
	ConflictTerm  int64  `json:"conflict_term"`
	ConflictIndex int64  `json:"conflict_index"`
}

// Does this node get the log? The members do, those who were until the change is committed, and one who is to become one.
func (r *raft) follows(name string) bool {
	return name != r.ID && (has(r.members, name) || has(r.appliedMembers, name) || name == r.newcomer)
}

// The entries from `index` on, as many as fit into a message.
func (r *raft) batch(index int64) []entry {
	bytes, end := 0, index
	for ; end <= r.log.lastIndex(); end++ {
		if command := r.log.at(end).Command; command != nil {
			bytes += len(*command)
		}
		bytes += entryBytes
		if bytes > batchBytes && end > index {
			break
		}
	}
	return r.log.entries[index-r.log.prevIndex-1 : end-r.log.prevIndex-1]
}

// Without entries it is a heartbeat.
func (r *raft) sendAppend(to string, withEntries bool) {
	p := r.peers[to]
	prev := p.next - 1
	if prev < r.log.prevIndex {
		prev = 0 // we no longer know that entry's term: a sign of life that claims nothing
	}
	body := appendEntries{"append_entries", r.term, r.ID, prev, 0, []entry{}, r.commit}
	if prev > 0 {
		body.PrevLogTerm = r.log.term(prev)
	}
	if withEntries {
		body.Entries = r.batch(prev + 1)
		p.sent = prev + int64(len(body.Entries))
	}
	p.sentAt = r.Now()
	r.Send(to, body)
}

// Section 7. One message is enough, since the state is a number; the paper cuts large states into pieces.
func (r *raft) sendSnapshot(to string) {
	p, s := r.peers[to], r.snapshot
	p.sent, p.sentAt = s.Index, r.Now()
	r.Send(to, installSnapshot{"install_snapshot", r.term, r.ID, s.Index, s.Term, s.Members, s.Digest})
}

// Sends what the follower lacks, unless something is on its way.
func (r *raft) replicate(to string) {
	p := r.peers[to]
	if r.Now() < p.resendAt || p.next > r.log.lastIndex() {
		return
	}
	if p.next <= r.log.prevIndex {
		r.sendSnapshot(to)
	} else {
		r.sendAppend(to, true)
	}
	p.resendAt = r.Now() + resendMs
}

// Only an entry of the own term is committed by counting; the older ones below it are with it (5.4.2, Figure 8).
func (r *raft) advanceCommit() {
	index := int64(0) // the greatest that a majority of the members has
	for _, name := range r.members {
		match := r.matchOf(name)
		if match > index && r.isMajority(func(other string) bool { return r.matchOf(other) >= match }) {
			index = match
		}
	}
	if index > r.commit && r.log.term(index) == r.term {
		r.commitTo(index)
	}
}

func (r *raft) matchOf(name string) int64 {
	if name == r.ID {
		return r.log.lastIndex()
	}
	return r.peers[name].match
}

// Puts an entry of this term into the log.
func (r *raft) appendOwn(e entry) int64 {
	e.Term = r.term
	r.log.append(e)
	index := r.log.lastIndex()
	r.log.save(index)
	if e.Members != nil {
		r.members = e.Members // in force as soon as it is in the log (thesis 4.1)
	}
	return index
}

// What a leader does after appendOwn; a leader that is the only member commits right here.
func (r *raft) publish() {
	for _, name := range r.IDs {
		if r.follows(name) {
			r.replicate(name)
		}
	}
	r.advanceCommit()
}

func (r *raft) onHeartbeatTimer() {
	if !r.isMajority(func(name string) bool { return name == r.ID || r.Now()-r.peers[name].heardAt < quorumMs }) {
		r.becomeFollower(r.term, "")
		return
	}
	if r.newcomer != "" && r.Now() >= r.newcomerStopAt {
		r.dropNewcomer("the new server does not catch up")
	}
	for _, name := range r.IDs {
		if !r.follows(name) {
			continue
		}
		r.replicate(name)
		if r.Now()-r.peers[name].sentAt >= heartbeatMs/2 {
			r.sendAppend(name, false)
		}
	}
	r.Timer("heartbeat", heartbeatMs, r.onHeartbeatTimer)
}

// The follower has our log up to `match`.
func (r *raft) onSuccess(from string, match int64) {
	p := r.peers[from]
	p.match = max(p.match, match)
	p.next = max(p.next, p.match+1)
	if p.match >= p.sent {
		p.resendAt = 0
	}
	if from == r.newcomer && p.match >= r.newcomerGoal {
		r.addNewcomer()
	}
	r.advanceCommit()
	if r.role == leader {
		r.replicate(from)
	}
}

// The follower's log does not fit at next - 1. A whole term is skipped in one round trip (end of section 5.3).
func (r *raft) onRejection(from string, a appendAnswer) {
	p := r.peers[from]
	if a.PrevLogIndex != p.next-1 || a.PrevLogIndex <= p.match {
		return // late or doubled: it was heeded already
	}
	i := a.PrevLogIndex
	for i > r.log.prevIndex && r.log.term(i) > a.ConflictTerm {
		i--
	}
	p.next = a.ConflictIndex
	if a.ConflictTerm >= 0 && r.log.term(i) == a.ConflictTerm {
		p.next = i + 1
	}
	p.next = max(p.match+1, min(p.next, a.PrevLogIndex))
	p.resendAt = 0
	r.replicate(from)
}

func (r *raft) onAppendAnswer(m dlab.Message) {
	var a appendAnswer
	if m.Decode(&a) != nil || !has(r.IDs, m.Src) {
		return
	}
	if a.Term > r.term {
		r.becomeFollower(a.Term, "")
	}
	if r.role != leader || a.Term != r.term {
		return
	}
	r.peers[m.Src].heardAt = r.Now()
	if a.Success {
		r.onSuccess(m.Src, a.MatchIndex)
	} else {
		r.onRejection(m.Src, a)
	}
}

// --- replication: the follower ---

// What append_entries and install_snapshot have in common. False: it is from an old leader, who is told so.
func (r *raft) heedLeader(from string, term int64, answerType string) bool {
	if !has(r.IDs, from) {
		return false
	}
	if term < r.term {
		r.Send(from, appendAnswer{Type: answerType, Term: r.term, PrevLogIndex: -1})
		return false
	}
	if r.role == leader && term == r.term {
		panic("two leaders in one term") // Election Safety
	}
	r.becomeFollower(term, from)
	r.heardLeaderAt = r.Now()
	r.restartElectionTimeout()
	return true
}

func (r *raft) sendSuccess(to, answerType string, match int64) {
	r.Send(to, appendAnswer{Type: answerType, Term: r.term, Success: true, MatchIndex: match})
}

func (r *raft) sendRejection(to string, prev int64) {
	a := appendAnswer{Type: "append_entries_ok", Term: r.term, PrevLogIndex: prev, ConflictTerm: r.log.term(prev),
		ConflictIndex: r.log.lastIndex() + 1}
	if a.ConflictTerm >= 0 {
		a.ConflictIndex = prev
		for a.ConflictIndex-1 > r.log.prevIndex && r.log.term(a.ConflictIndex-1) == a.ConflictTerm {
			a.ConflictIndex--
		}
	}
	r.Send(to, a)
}

// The members as the last entry about them says.
func (r *raft) latestMembers() []string {
	for i := len(r.log.entries) - 1; i >= 0; i-- {
		if r.log.entries[i].Members != nil {
			return r.log.entries[i].Members
		}
	}
	return r.snapshot.Members
}

// Takes the entries after prev; returns the index of the last one. Only an entry that conflicts is removed, and what follows
// it: an old message may hold less than the log has since then (Figure 2, AppendEntries 3 and 4).
func (r *raft) takeEntries(prev int64, entries []entry) int64 {
	index, firstNew, membersChanged := prev, int64(0), false
	for _, e := range entries {
		index++
		if index <= r.log.prevIndex || r.log.term(index) == e.Term {
			continue
		}
		if index <= r.commit {
			panic("a leader lacks a committed entry") // Leader Completeness
		}
		if index <= r.log.lastIndex() {
			r.log.truncate(index)
			membersChanged = true
		}
		r.log.append(e)
		membersChanged = membersChanged || e.Members != nil
		if firstNew == 0 {
			firstNew = index
		}
	}
	if firstNew > 0 {
		r.log.save(firstNew)
	}
	if membersChanged {
		r.members = r.latestMembers()
	}
	return index
}

func (r *raft) onAppendEntries(m dlab.Message) {
	var a appendEntries
	if m.Decode(&a) != nil || !r.heedLeader(m.Src, a.Term, "append_entries_ok") {
		return
	}
	// What is in our snapshot is committed, so the leader has the same.
	if a.PrevLogIndex >= r.log.prevIndex && r.log.term(a.PrevLogIndex) != a.PrevLogTerm {
		r.sendRejection(m.Src, a.PrevLogIndex)
		return
	}
	last := r.takeEntries(a.PrevLogIndex, a.Entries)
	r.sendSuccess(m.Src, "append_entries_ok", last)
	r.commitTo(min(a.LeaderCommit, last))
}

func (r *raft) onInstallSnapshot(m dlab.Message) {
	var s installSnapshot
	if m.Decode(&s) != nil || !r.heedLeader(m.Src, s.Term, "install_snapshot_ok") {
		return
	}
	r.sendSuccess(m.Src, "install_snapshot_ok", s.LastIncludedIndex)
	if s.LastIncludedIndex <= r.commit {
		return // nothing new; in particular no step back
	}
	r.snapshot = snapshot{s.LastIncludedIndex, s.LastIncludedTerm, s.Members, s.Digest}
	r.Save("snapshot", r.snapshot)
	r.log.compact(r.snapshot.Index, r.snapshot.Term)
	r.useSnapshot()
	r.members = r.latestMembers()
	r.reportSnapshot()
	r.answerWaiting()
}

func (r *raft) useSnapshot() {
	r.commit, r.applied = r.snapshot.Index, r.snapshot.Index
	r.digest, r.appliedMembers = r.snapshot.Digest, r.snapshot.Members
}

// --- elections (5.2, 5.4.1; pre-vote: thesis 9.6) ---

type requestVote struct {
	Type         string `json:"type"`
	Term         int64  `json:"term"`
	CandidateID  string `json:"candidate_id"`
	LastLogIndex int64  `json:"last_log_index"`
	LastLogTerm  int64  `json:"last_log_term"`
	PreVote      bool   `json:"pre_vote,omitempty"`
}

type voteAnswer struct {
	Type        string `json:"type"`
	Term        int64  `json:"term"`
	VoteGranted bool   `json:"vote_granted"`
	PreVote     bool   `json:"pre_vote,omitempty"`
}

func (r *raft) becomeLeader() {
	r.role, r.leader, r.newcomer = leader, r.ID, ""
	last := r.log.lastIndex()
	for _, name := range r.IDs {
		r.peers[name] = &peer{next: last + 1, sent: last, heardAt: r.Now()}
	}
	r.reportState()
	r.Timer("heartbeat", heartbeatMs, r.onHeartbeatTimer)
	r.firstOwn = r.appendOwn(entry{}) // a no-op: with it the entries of older terms get committed (section 8)
	r.publish()
}

func (r *raft) askForVotes(preVote bool) {
	r.votes = map[string]bool{}
	for _, name := range r.members {
		if name != r.ID {
			r.Send(name, requestVote{"request_vote", r.term, r.ID, r.log.lastIndex(), r.log.lastTerm(), preVote})
		}
	}
	r.countVote(r.ID)
}

func (r *raft) startElection() {
	r.role, r.vote = candidate, r.ID
	r.term++
	r.saveVote()
	r.reportState()
	r.restartElectionTimeout()
	r.askForVotes(false)
}

// A pre-vote and a vote are counted alike.
func (r *raft) countVote(from string) {
	r.votes[from] = true
	if !r.isMajority(func(name string) bool { return r.votes[name] }) {
		return
	}
	if r.role == preCandidate {
		r.startElection()
	} else {
		r.becomeLeader()
	}
}

func (r *raft) onElectionTimer() {
	r.electionTimer = false
	if r.role == leader {
		return
	}
	if r.Now() < r.electionAt {
		r.setElectionTimer()
		return
	}
	r.restartElectionTimeout()
	// A server that is being removed may still be needed until that is committed (thesis 4.2.2).
	if !has(r.members, r.ID) && !has(r.appliedMembers, r.ID) {
		return
	}
	if r.role == candidate {
		r.becomeFollower(r.term, "")
	}
	r.role, r.leader = preCandidate, ""
	r.askForVotes(true)
}

// A log is more up-to-date with the later last term; with the same last term, when it is longer (5.4.1).
func (r *raft) isUpToDate(lastIndex, lastTerm int64) bool {
	own := r.log.lastTerm()
	return lastTerm > own || lastTerm == own && lastIndex >= r.log.lastIndex()
}

func (r *raft) hearsLeader() bool {
	return r.role == leader || r.Now()-r.heardLeaderAt < electionMinMs
}

func (r *raft) onRequestVote(m dlab.Message) {
	var q requestVote
	if m.Decode(&q) != nil || !has(r.IDs, m.Src) || r.hearsLeader() {
		return // not even a higher term counts while the leader is well (thesis 4.2.3)
	}
	if q.Term > r.term && !q.PreVote {
		r.becomeFollower(q.Term, "")
	}
	granted := q.Term >= r.term && (q.PreVote || r.vote == "" || r.vote == m.Src) && r.isUpToDate(q.LastLogIndex, q.LastLogTerm)
	if granted && !q.PreVote {
		r.restartElectionTimeout()
		if r.vote == "" {
			r.vote = m.Src
			r.saveVote()
			r.reportState()
		}
	}
	a := voteAnswer{"request_vote_ok", r.term, granted, q.PreVote}
	if granted {
		a.Term = q.Term // a pre-vote tells the asker's term, which may be later than ours
	}
	r.Send(m.Src, a)
}

func (r *raft) onVoteAnswer(m dlab.Message) {
	var a voteAnswer
	if m.Decode(&a) != nil || !has(r.IDs, m.Src) {
		return
	}
	if a.Term > r.term {
		r.becomeFollower(a.Term, "")
	}
	askedAs := candidate
	if a.PreVote {
		askedAs = preCandidate
	}
	if a.Term == r.term && r.role == askedAs && a.VoteGranted {
		r.countVote(m.Src)
	}
}

// --- membership (thesis, chapter 4) ---

// A change of the members is committed.
func (r *raft) membersApplied(members []string) {
	before := r.appliedMembers
	r.appliedMembers = members
	if r.role != leader {
		return
	}
	if has(before, r.ID) && !has(members, r.ID) { // a leader that removed itself goes (4.2.2)
		r.becomeFollower(r.term, "")
		return
	}
	for _, name := range before {
		if !has(members, name) && name != r.ID {
			r.sendAppend(name, false) // the last that it hears: that it is removed
		}
	}
}

func (r *raft) changeInProgress() bool {
	return r.newcomer != "" || len(r.members) != len(r.appliedMembers)
}

// The new server has caught up: the change goes into the log.
func (r *raft) addNewcomer() {
	members := append(without(r.members, r.newcomer), r.newcomer)
	r.newcomer = ""
	r.waitForEntry(r.newcomerAsker, r.appendOwn(entry{Members: members}))
	r.publish()
}

// The log goes to the new server before it counts, or the members might wait for it (4.2.1).
func (r *raft) startNewcomer(m dlab.Message, name string) {
	r.newcomer, r.newcomerAsker = name, m
	r.newcomerGoal = r.log.lastIndex()
	r.newcomerStopAt = r.Now() + catchUpMs
	r.peers[name] = &peer{next: r.newcomerGoal + 1, heardAt: r.Now()}
	r.sendAppend(name, false)
}

func (r *raft) removeMember(m dlab.Message, name string) {
	r.waitForEntry(m, r.appendOwn(entry{Members: without(r.members, name)}))
	r.publish()
}

func (r *raft) onReconfigure(m dlab.Message) {
	var body struct{ Add, Remove *string }
	if m.Decode(&body) != nil || (body.Add == nil) == (body.Remove == nil) {
		r.ReplyError(m, 12, "reconfigure needs add or remove, and the name of a node")
		return
	}
	add := body.Add != nil
	name := body.Remove
	if add {
		name = body.Add
	}
	switch {
	case !has(r.IDs, *name):
		r.ReplyError(m, 12, "there is no such node")
	case r.role != leader:
		r.refuse(m, "not the leader")
	case r.commit < r.firstOwn: // else two majorities might not meet: Ongaro, raft-dev, 10 July 2015
		r.refuse(m, "this leader has not committed an entry yet")
	case r.changeInProgress():
		r.refuse(m, "a change of the members is in progress")
	case add == has(r.members, *name): // it is so already
		r.Reply(m, dlab.Body{"type": "reconfigure_ok", "members": r.members})
	case add:
		r.startNewcomer(m, *name)
	case len(r.members) == 1:
		r.ReplyError(m, 12, "the last member stays")
	default:
		r.removeMember(m, *name)
	}
}

// --- clients and start ---

func (r *raft) onPropose(m dlab.Message) {
	var body struct{ Command *string }
	if m.Decode(&body) != nil || body.Command == nil {
		r.ReplyError(m, 12, "command must be a string")
	} else if r.role != leader {
		r.refuse(m, "not the leader")
	} else {
		r.waitForEntry(m, r.appendOwn(entry{Command: body.Command}))
		r.publish()
	}
}

func (r *raft) onInit(dlab.Message) {
	var config struct {
		Members         []string `json:"members"` // at the very first start
		SnapshotEntries int64    `json:"snapshot_entries"`
	}
	if len(r.Config) > 0 {
		_ = json.Unmarshal(r.Config, &config) // what cannot be read is as if it were not there
	}
	if len(config.Members) == 0 {
		config.Members = r.IDs
	}
	r.snapshotEntries = config.SnapshotEntries
	r.heardLeaderAt = -electionMaxMs
	var saved savedVote
	r.Load("vote", &saved)
	r.term, r.vote = saved.Term, saved.Vote
	r.snapshot.Members = config.Members
	hasSnapshot := r.Load("snapshot", &r.snapshot)
	r.useSnapshot()
	r.log.node = r.Node
	r.log.load(r.snapshot.Index, r.snapshot.Term)
	r.members = r.latestMembers()
	if hasSnapshot {
		r.reportSnapshot()
	}
	r.reportState()
	r.restartElectionTimeout()
}

func main() {
	r := &raft{Node: dlab.New(), peers: map[string]*peer{}}
	r.On("init", r.onInit)
	r.On("propose", r.onPropose)
	r.On("reconfigure", r.onReconfigure)
	r.On("request_vote", r.onRequestVote)
	r.On("request_vote_ok", r.onVoteAnswer)
	r.On("append_entries", r.onAppendEntries)
	r.On("append_entries_ok", r.onAppendAnswer)
	r.On("install_snapshot", r.onInstallSnapshot)
	r.On("install_snapshot_ok", r.onAppendAnswer)
	r.Run()
}
