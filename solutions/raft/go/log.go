package main

import (
	"fmt"
	"os"
	"path/filepath"

	"dlab"
)

// An entry of the log. A no-op has neither command nor members.
type entry struct {
	Term    int64    `json:"term"`
	Command *string  `json:"command,omitempty"`
	Members []string `json:"members,omitempty"` // the members from here on
}

// The log of Raft: in memory, and in files of the data folder.
//
// Indexes begin at 1. The log holds the entries after prevIndex; those up to prevIndex are in the snapshot (section 7). At the
// very beginning prevIndex and prevTerm are 0.
//
// On the disk the log is cut into files of segmentEntries ("log-0" holds 1 to 16, "log-1" holds 17 to 32, ...), so that an
// append writes one small file, however long the log is. What a crash may interrupt, and why no harm is done:
//
//   - append: files are written from the first to the last. A part of the new entries is there; they were not yet confirmed.
//   - truncate: whole files go from the last to the first, then the file of `index` is replaced. What is missing was in
//     conflict with a leader's log, so it was not committed.
//   - compact: the snapshot is on the disk before; so files up to it may be there still, or gone.
type raftLog struct {
	node                *dlab.Node
	prevIndex, prevTerm int64
	entries             []entry
}

const segmentEntries = 16

// A file. It also tells what stands before its first entry, so that a start can see whether log and snapshot fit together.
type segment struct {
	PrevIndex int64   `json:"prev_index"`
	PrevTerm  int64   `json:"prev_term"`
	Entries   []entry `json:"entries"`
}

func (l *raftLog) lastIndex() int64 { return l.prevIndex + int64(len(l.entries)) }

func (l *raftLog) lastTerm() int64 { return l.term(l.lastIndex()) }

// For prevIndex < index <= lastIndex.
func (l *raftLog) at(index int64) *entry { return &l.entries[index-l.prevIndex-1] }

// The term of an entry; -1 when the log does not reach there, or no longer does.
func (l *raftLog) term(index int64) int64 {
	switch {
	case index == l.prevIndex:
		return l.prevTerm
	case index > l.prevIndex && index <= l.lastIndex():
		return l.at(index).Term
	}
	return -1
}

// Appends in memory; save writes what was appended from some index on.
func (l *raftLog) append(e entry) { l.entries = append(l.entries, e) }

func segmentOf(index int64) int64 { return (index - 1) / segmentEntries }

func segmentName(number int64) string { return fmt.Sprintf("log-%d", number) }

func (l *raftLog) save(index int64) {
	for i := segmentOf(index); i <= segmentOf(l.lastIndex()); i++ {
		prev, last := max(i*segmentEntries, l.prevIndex), min((i+1)*segmentEntries, l.lastIndex())
		l.node.Save(segmentName(i), segment{prev, l.term(prev), l.entries[prev-l.prevIndex : last-l.prevIndex]})
	}
}

func (l *raftLog) remove(number int64) bool {
	return l.node.DataDir != "" && os.Remove(filepath.Join(l.node.DataDir, segmentName(number))) == nil
}

// From the last to the first.
func (l *raftLog) removeAll(first, last int64) {
	for i := last; i >= first; i-- {
		l.remove(i)
	}
}

// Removes the entries from index on. The caller appends at least one in their place, and saves.
func (l *raftLog) truncate(index int64) {
	l.removeAll(segmentOf(index)+1, segmentOf(l.lastIndex()))
	l.entries = l.entries[:index-l.prevIndex-1]
}

// A snapshot that ends with this entry is on the disk: forgets the entries up to it, and all others too when the log holds
// another entry there (Figure 13, rules 6 and 7).
func (l *raftLog) compact(index, term int64) {
	first, last := segmentOf(l.prevIndex+1), segmentOf(l.lastIndex())
	if l.term(index) == term {
		for i := first; i < segmentOf(index+1); i++ {
			l.remove(i)
		}
		l.entries = append([]entry{}, l.entries[index-l.prevIndex:]...)
	} else {
		l.removeAll(first, last)
		l.entries = nil
	}
	l.prevIndex, l.prevTerm = index, term
}

// Reads one file. Its entries up to prevIndex are in the snapshot and left out. False when there is no such file, or when it
// does not go on where the log ends now.
func (l *raftLog) loadSegment(number int64) bool {
	var s segment
	if !l.node.Load(segmentName(number), &s) {
		return false
	}
	known := l.lastIndex() - s.PrevIndex // so many of its entries are not new
	if known < 0 || known > int64(len(s.Entries)) {
		return false
	}
	term := s.PrevTerm
	if known > 0 {
		term = s.Entries[known-1].Term
	}
	if term != l.lastTerm() {
		return false
	}
	l.entries = append(l.entries, s.Entries[known:]...)
	return true
}

// Reads what an earlier life saved; the snapshot ends with this entry (0, 0: there is none).
func (l *raftLog) load(index, term int64) {
	l.prevIndex, l.prevTerm = index, term
	first := segmentOf(index + 1)
	next := first
	for l.loadSegment(next) && l.lastIndex() == (next+1)*segmentEntries {
		next++
	}
	if len(l.entries) == 0 { // nothing, or a log that the snapshot has replaced
		end := first
		for l.node.Load(segmentName(end), &segment{}) {
			end++
		}
		l.removeAll(first, end-1)
	}
	for i := first - 1; i >= 0 && l.remove(i); i-- {
	}
}

func min(a, b int64) int64 {
	if a < b {
		return a
	}
	return b
}

func max(a, b int64) int64 {
	if a > b {
		return a
	}
	return b
}
