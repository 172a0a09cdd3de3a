/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The coherence protocol of doc/design/0015-coherence.md, for one page and three nodes: every
 * interleaving, where the simulation tries many. Pages do not know of each other, so one is all.
 * Names are those of shm/protocol.h. Node 0 is the home.
 *
 * With DEATH a node dies at any time: the home (1; then node 1 is it), or node 2 (2). The survivors
 * hear of it any time later; what the dead had sent is taken until then and not afterwards, so its
 * channels are cut anywhere. What follows is that of shm/view.c: marks, reports, an owner who is appointed.
 *
 * Checked after each step: whoever may write is alone; every copy that may be read holds what was
 * written last. A page is lost only if no survivor had a copy, or one was given up for who is dead.
 * And in every run: no message comes where it makes no sense, and nobody waits for ever (no invalid
 * end states).
 *
 * WRITES bounds the writes of a run, HELD lets the home's own copy be held, as any copy may be.
 */
#define NODES 3
#ifndef WRITES
#define WRITES 3
#endif
#ifndef DEATH
#define DEATH 0
#endif

mtype = { GETS, GETM, DONE, FWD_GETS, FWD_GETM, INV, GRANT, DATA, DATAX, ACK, LOST };
mtype = { MARK, HOLD, HELD, OWN };
mtype = { I, S, O, M, P };
mtype = { NOTHING, READING, WRITING };

#define NONE 255

/* kind, whom it concerns, acknowledgements or state, final, bytes (they stand for their version) */
chan net[9] = [6] of { mtype, byte, byte, bool, byte };
#define CH(from, to) net[(from) * NODES + (to)]

mtype state[NODES] = I;
mtype wants[NODES] = NOTHING;
byte bytes[NODES];
bool data[NODES], final_[NODES];
byte acks[NODES], needed[NODES];
/* who has given its copy up for this write, and what it was */
byte giver[NODES], given[NODES] = NONE;
byte truth, writes;

/* the home's */
byte owner;
bool sharer[NODES];
bool busy;
byte requester;
bool owned = true, poisoned;
byte keeper, kept = NONE;
chan queue = [4] of { mtype, byte };

/* who is dead, and who knows */
byte dead = NONE;
bool may_be_lost;
bool scarce; /* of memory: a copy has been given up since */
bool view[NODES], flushing[NODES], making[NODES], marked[NODES], told[NODES];
#define OTHER(n)   (NODES - (n) - dead)
#define HOME(n)	   (view[n] && dead == 0 -> 1 : 0)
#define IS_HOME(n) (HOME(n) == n)

#define READABLE(n) (state[n] != I && state[n] != P && dead != n)
#define WRITABLE(n) (state[n] == M && dead != n)

inline check()
{
	assert(!(WRITABLE(0) && (READABLE(1) || READABLE(2))));
	assert(!(WRITABLE(1) && (READABLE(0) || READABLE(2))));
	assert(!(WRITABLE(2) && (READABLE(0) || READABLE(1))));
	assert(!READABLE(0) || bytes[0] == truth);
	assert(!READABLE(1) || bytes[1] == truth);
	assert(!READABLE(2) || bytes[2] == truth);
}

/* Nothing goes to the dead; what was given up for it may be lost. */
inline send(f, t, what, a, b, c, v)
{
	if
	:: dead == t -> may_be_lost = may_be_lost || what == DATAX || what == ACK
	:: else -> CH(f, t)!what, a, b, c, v
	fi
}

/* ---- copies ---- */

inline ask(n)
{
	data[n] = false;
	final_[n] = false;
	acks[n] = 0;
	needed[n] = 0;
	given[n] = NONE;
	if
	:: flushing[n] /* when that is over */
	:: else -> send(n, HOME(n), (wants[n] == WRITING -> GETM : GETS), 0, 0, 0, 0)
	fi
}

/* The want of N is fulfilled if all is there. */
inline advance(n)
{
	if
	:: data[n] && acks[n] >= needed[n] ->
		state[n] = (wants[n] == WRITING -> M : S);
		wants[n] = NOTHING;
		data[n] = false;
		given[n] = NONE;
		if
		:: !final_[n] -> send(n, HOME(n), DONE, 0, 0, 0, 0)
		:: else
		fi
	:: else
	fi
}

/* ---- the home ---- */

/* Tells all sharers but the writer and the owner; their number in K. */
inline invalidate(writer)
{
	k = 0;
	j = 0;
	do
	:: j < NODES ->
		if
		:: sharer[j] && j != writer && j != owner && j != dead ->
			CH(me, j)!INV, writer, 0, 0, 0;
			k++
		:: sharer[j] && j != writer && j != owner && j == dead && !view[me] -> k++
		:: else
		fi;
		j++
	:: else -> break
	od;
	j = 0
}

inline read_page(from)
{
	if
	:: owner == from ->
		busy = (from == me);
		requester = from;
		send(me, from, GRANT, 0, 0, from != me, 0)
	:: owner == me && owner != from && !held ->
		state[me] = O;
		send(me, from, DATA, 0, 0, 1, bytes[me]);
		sharer[from] = true
	:: else ->
		busy = true;
		requester = from;
		send(me, owner, FWD_GETS, from, 0, 0, 0);
		sharer[from] = true
	fi
}

inline write_page(from)
{
	if
	:: owner == from && from != me && state[me] == S && !held ->
		state[me] = I; /* its own copy goes with its answer */
		may_be_lost = may_be_lost || dead == from;
		sharer[me] = false
	:: else
	fi;
	invalidate(from);
	busy = (k > 0 || from == me);
	if
	:: owner == from -> send(me, from, GRANT, 0, k, k == 0 && from != me, 0)
	:: owner == me && owner != from && !held ->
		state[me] = I;
		send(me, from, DATAX, 0, k, k == 0, bytes[me])
	:: else ->
		busy = true;
		send(me, owner, FWD_GETM, from, k, 0, 0)
	fi;
	requester = from;
	owner = from;
	sharer[0] = false;
	sharer[1] = false;
	sharer[2] = false;
	k = 0
}

inline serve()
{
	do
	:: IS_HOME(me) && !busy && !flushing[me] && !making[me] && len(queue) > 0 ->
		queue?kind, who;
		if
		:: poisoned -> send(me, who, LOST, 0, 0, 0, 0)
		:: !poisoned && kind == GETS -> read_page(who)
		:: else -> write_page(who)
		fi
	:: else -> break
	od
}

/* ---- a new view ---- */

/* Node N hears who has died. */
inline take_view(n)
{
	view[n] = true;
	flushing[n] = true;
	if
	:: IS_HOME(n) ->
		do
		:: len(queue) > 0 -> queue?_, _
		:: else -> break
		od;
		busy = false;
		owner = n;
		sharer[0] = false;
		sharer[1] = false;
		sharer[2] = false;
		kept = NONE
	:: else
	fi;
	send(n, OTHER(n), MARK, 0, 0, 0, 0)
}

/* At the home: W has a copy, or (I) keeps what it was. */
inline has(w, what, v)
{
	if
	:: what == O || what == M ->
		owner = w;
		owned = true;
		poisoned = false
	:: what == S ->
		sharer[w] = true;
		poisoned = false
	:: else ->
		keeper = w;
		kept = v
	fi
}

inline report(n, w, what, v)
{
	if
	:: IS_HOME(n) -> has(w, what, v)
	:: else -> CH(n, HOME(n))!HOLD, w, what, 0, v
	fi
}

/* Both have marked: nothing of before is under way. */
inline maybe_flushed(n)
{
	if
	:: flushing[n] && marked[n] ->
		if
		:: data[n] && wants[n] == WRITING && (state[n] == I || state[n] == S) -> state[n] = O
		:: else
		fi;
		flushing[n] = false;
		making[n] = true;
		if
		:: IS_HOME(n) ->
			owned = (state[n] == O || state[n] == M);
			poisoned = !owned
		:: else
		fi;
		if
		:: state[n] != I && state[n] != P -> report(n, n, state[n], 0)
		:: else
		fi;
		if
		:: wants[n] == WRITING && !data[n] && given[n] != NONE && giver[n] != dead ->
			report(n, giver[n], I, given[n])
		:: else
		fi;
		send(n, OTHER(n), HELD, 0, 0, 0, 0);
		if
		:: wants[n] == READING && READABLE(n) ->
			wants[n] = NOTHING;
			data[n] = false
		:: wants[n] != NOTHING && !(wants[n] == READING && READABLE(n)) -> ask(n)
		:: else
		fi
	:: else
	fi
}

/*
 * One that shares is to be the owner; without those, one that gave it in vain. It may have nothing. (Here
 * the home comes last: it knows that it has it.)
 */
inline appoint()
{
	who = (sharer[2] -> 2 : (sharer[1] -> 1 : (sharer[0] -> 0 : NONE)));
	val = NONE;
	if
	:: who == NONE && kept != NONE ->
		who = keeper;
		val = kept;
		kept = NONE
	:: else
	fi;
	poisoned = (who == NONE);
	busy = !poisoned;
	if
	:: !poisoned ->
		owner = who;
		requester = who;
		send(me, who, OWN, 0, 0, 0, val)
	:: else
	fi
}

/* All reports are there. */
inline maybe_made(n)
{
	if
	:: making[n] && told[n] ->
		making[n] = false;
		if
		:: IS_HOME(n) && !owned -> appoint()
		:: else
		fi
	:: else
	fi
}

/* Of before the view come only answers, until the other has marked; of the dead nothing. */
#define ANSWER (kind == DATA || kind == DATAX || kind == GRANT || kind == ACK || kind == LOST)

/* What comes for N from F. */
inline take(n, f)
{
	CH(f, n)?kind, who, count, fin, val;
	if
	:: kind == MARK -> marked[n] = true
	:: kind != MARK && view[n] && (f == dead || (flushing[n] && f != n && !marked[n] && !ANSWER))
	:: kind != MARK && !view[n] && marked[n] && f == OTHER(n) /* of a view to come */
	:: else ->
		if
		:: kind == DATA ->
			assert(wants[n] == READING && state[n] == I);
			bytes[n] = val;
			data[n] = true;
			final_[n] = fin;
			needed[n] = 0
		:: kind == DATAX ->
			assert(wants[n] == WRITING && !data[n] && (state[n] == I || state[n] == S));
			assert(state[n] == I || bytes[n] == val);
			bytes[n] = val;
			data[n] = true;
			final_[n] = fin;
			needed[n] = count
		:: kind == GRANT && wants[n] == READING ->
			assert(state[n] == O); /* it was appointed meanwhile */
			wants[n] = NOTHING;
			if
			:: !fin -> send(n, HOME(n), DONE, 0, 0, 0, 0)
			:: else
			fi
		:: kind == GRANT && wants[n] != READING ->
			assert(wants[n] == WRITING && !data[n] && state[n] == O);
			data[n] = true;
			final_[n] = fin;
			needed[n] = count
		:: kind == ACK ->
			assert(wants[n] == WRITING);
			acks[n]++;
			giver[n] = (val != NONE -> f : giver[n]);
			given[n] = (val != NONE -> val : given[n])
		:: kind == INV ->
			assert(state[n] == I || state[n] == S);
			val = (state[n] == S -> bytes[n] : NONE);
			state[n] = I;
			send(n, who, ACK, 0, 0, 0, val)
		:: kind == FWD_GETS || kind == FWD_GETM ->
			assert(state[n] == O || state[n] == M);
			state[n] = (kind == FWD_GETS -> O : I);
			fin = (f == n && count == 0);
			busy = busy && !fin;
			send(n, who, (kind == FWD_GETS -> DATA : DATAX), 0, count, fin, bytes[n])
		:: kind == DONE ->
			assert(IS_HOME(n) && (view[n] || (busy && requester == f)));
			busy = busy && requester != f
		:: kind == GETS || kind == GETM ->
			assert(IS_HOME(n));
			queue!kind, f
		:: kind == LOST ->
			assert(wants[n] != NOTHING && state[n] == I && may_be_lost);
			state[n] = P;
			wants[n] = NOTHING
		:: kind == HELD -> told[n] = true
		:: kind == HOLD && count != P -> has(who, count, val)
		:: kind == HOLD && count == P -> /* who was appointed has nothing */
			assert(busy && requester == f);
			sharer[f] = false;
			appoint()
		:: kind == OWN ->
			if
			:: state[n] == S || (state[n] == I && val != NONE && bytes[n] == val) ->
				state[n] = O;
				send(n, f, DONE, 0, 0, 0, 0)
			:: else -> send(n, f, HOLD, n, P, 0, 0)
			fi
		fi
	fi
}

/* What follows from what has come, or was heard. */
inline go_on(n)
{
	maybe_flushed(n);
	advance(n);
	maybe_made(n);
	serve();
	from = 0;
	kind = 0;
	who = 0;
	count = 0;
	fin = 0;
	val = 0;
	check()
}

/* What a node has said to itself comes before anything else there. */
#define FREE(n) (dead != n && empty(CH(n, n)))

proctype Node(byte me)
{
	mtype kind;
	byte from, who, count, val, j, k;
	bool fin, held;

end:	do
	:: atomic { FREE(me) && state[me] == I && wants[me] == NOTHING && writes < WRITES ->
		wants[me] = READING;
		ask(me) }
	:: atomic { FREE(me) && state[me] != M && state[me] != P && wants[me] == NOTHING && writes < WRITES ->
		wants[me] = WRITING;
		ask(me) }
	:: atomic { FREE(me) && state[me] == M && writes < WRITES ->
		writes++;
		truth++;
		bytes[me] = truth;
		check() }
	:: atomic { DEATH && dead != NONE && FREE(me) && state[me] == S && wants[me] == NOTHING &&
		!flushing[me] && !making[me] && making[OTHER(me)] && !scarce ->
		scarce = true;
		state[me] = I;
		bytes[me] = NONE;
		may_be_lost = may_be_lost || !READABLE(OTHER(me)) }
#ifdef HELD
	:: atomic { me == 0 && FREE(me) && !busy -> held = !held }
#endif
	:: atomic {
		if
		:: dead != me && nempty(CH(me, me)) -> from = me
		:: FREE(me) && me != 0 && nempty(CH(0, me)) -> from = 0
		:: FREE(me) && me != 1 && nempty(CH(1, me)) -> from = 1
		:: FREE(me) && me != 2 && nempty(CH(2, me)) -> from = 2
		:: FREE(me) && dead != NONE && !view[me] -> from = NONE
		fi;
		if
		:: from == NONE -> take_view(me)
		:: else -> take(me, from)
		fi;
		go_on(me) }
	:: atomic { DEATH && me == DEATH * 2 - 2 && FREE(me) && dead == NONE ->
		dead = me;
		may_be_lost = !READABLE((me + 1) % NODES) && !READABLE((me + 2) % NODES) }
	od
}

/* Nobody waits when nothing is under way, and all that live know who does not. */
#define IDLE(n)	 (dead == n || (empty(CH(0, n)) && empty(CH(1, n)) && empty(CH(2, n))))
#define KNOWS(n) (dead == NONE || dead == n || view[n])
#define WAITS(n) (dead != n && wants[n] != NOTHING)

active proctype Watch()
{
end:	atomic {
		IDLE(0) && IDLE(1) && IDLE(2) && KNOWS(0) && KNOWS(1) && KNOWS(2) &&
		(WAITS(0) || WAITS(1) || WAITS(2)) ->
		assert(false)
	}
}

init
{
	atomic {
		state[0] = O;
		run Node(0);
		run Node(1);
		run Node(2)
	}
}
