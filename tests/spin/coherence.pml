/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The coherence protocol of doc/design/0015-coherence.md, for one page and three nodes: every
 * interleaving, where the simulation tries many. Pages do not know of each other, so one is all.
 * Node 0 is the home. Names are those of shm/protocol.h.
 *
 * Checked after each step: whoever may write is alone; every copy that may be read holds what was
 * written last. And in every run: no message comes where it makes no sense, and nobody waits for ever
 * (no invalid end states).
 *
 * WRITES bounds the writes of a run, HELD lets the home's own copy be held, as any copy may be.
 */
#define NODES 3
#ifndef WRITES
#define WRITES 3
#endif

mtype = { GETS, GETM, DONE, FWD_GETS, FWD_GETM, INV, GRANT, DATA, DATAX, ACK };
mtype = { I, S, O, M };
mtype = { NOTHING, READING, WRITING };

/* kind, whom it concerns, acknowledgements, final, bytes */
chan net[9] = [6] of { mtype, byte, byte, bool, byte };
#define CH(from, to) net[(from) * NODES + (to)]

mtype state[NODES] = I;
mtype wants[NODES] = NOTHING;
byte bytes[NODES];
bool data[NODES], final_[NODES];
byte acks[NODES], needed[NODES];
byte truth, writes;

/* the home's */
byte owner;
bool sharer[NODES];
bool busy;
byte requester;
chan queue = [4] of { mtype, byte };

#define READABLE(n) (state[n] != I)

inline check()
{
	assert(!(state[0] == M && (state[1] != I || state[2] != I)));
	assert(!(state[1] == M && (state[0] != I || state[2] != I)));
	assert(!(state[2] == M && (state[0] != I || state[1] != I)));
	assert(state[0] == I || bytes[0] == truth);
	assert(state[1] == I || bytes[1] == truth);
	assert(state[2] == I || bytes[2] == truth);
}

/* The want of N is fulfilled if all is there. */
inline advance(n)
{
	if
	:: data[n] && acks[n] >= needed[n] ->
		if
		:: wants[n] == WRITING -> state[n] = M
		:: else -> state[n] = S
		fi;
		wants[n] = NOTHING;
		if
		:: !final_[n] -> CH(n, 0)!DONE, 0, 0, 0, 0
		:: else
		fi
	:: else
	fi
}

/* Tells all sharers but the writer and the owner; their number in K. */
inline invalidate(writer)
{
	k = 0;
	j = 0;
	do
	:: j < NODES ->
		if
		:: sharer[j] && j != writer && j != owner ->
			CH(0, j)!INV, writer, 0, 0, 0;
			k++
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
	:: owner == from -> CH(0, from)!GRANT, 0, 0, 1, 0
	:: owner == 0 && owner != from && !held ->
		if
		:: state[0] == M -> state[0] = O
		:: else
		fi;
		CH(0, from)!DATA, 0, 0, 1, bytes[0];
		sharer[from] = true
	:: else ->
		busy = true;
		requester = from;
		CH(0, owner)!FWD_GETS, from, 0, 0, 0;
		sharer[from] = true
	fi
}

inline write_page(from)
{
	invalidate(from);
	if
	:: owner == from -> CH(0, from)!GRANT, 0, k, k == 0, 0
	:: owner == 0 && owner != from && !held ->
		state[0] = I;
		CH(0, from)!DATAX, 0, k, k == 0, bytes[0]
	:: else ->
		busy = true;
		requester = from;
		CH(0, owner)!FWD_GETM, from, k, 0, 0
	fi;
	if
	:: k > 0 ->
		busy = true;
		requester = from
	:: else
	fi;
	owner = from;
	sharer[0] = false;
	sharer[1] = false;
	sharer[2] = false;
	k = 0
}

inline handle(kind, from)
{
	if
	:: kind == GETS -> read_page(from)
	:: else -> write_page(from)
	fi
}

/* What comes for N from F. */
inline take(n, f)
{
	CH(f, n)?kind, who, count, fin, val;
	if
	:: kind == DATA ->
		assert(wants[n] == READING && state[n] == I);
		bytes[n] = val;
		data[n] = true;
		final_[n] = fin;
		needed[n] = 0;
		advance(n)
	:: kind == DATAX ->
		assert(wants[n] == WRITING && !data[n] && (state[n] == I || state[n] == S));
		assert(state[n] == I || bytes[n] == val);
		bytes[n] = val;
		data[n] = true;
		final_[n] = fin;
		needed[n] = count;
		advance(n)
	:: kind == GRANT ->
		assert(wants[n] == WRITING && !data[n] && state[n] == O);
		data[n] = true;
		final_[n] = fin;
		needed[n] = count;
		advance(n)
	:: kind == ACK ->
		assert(wants[n] == WRITING);
		acks[n]++;
		advance(n)
	:: kind == INV ->
		assert(state[n] == I || state[n] == S);
		state[n] = I;
		CH(n, who)!ACK, 0, 0, 0, 0
	:: kind == FWD_GETS ->
		assert(state[n] == O || state[n] == M);
		state[n] = O;
		CH(n, who)!DATA, 0, 0, 0, bytes[n]
	:: kind == FWD_GETM ->
		assert(state[n] == O || state[n] == M);
		state[n] = I;
		CH(n, who)!DATAX, 0, count, 0, bytes[n]
	:: kind == DONE ->
		assert(n == 0 && busy && requester == f);
		busy = false;
		do
		:: !busy && len(queue) > 0 ->
			queue?kind, who;
			handle(kind, who)
		:: else -> break
		od
	:: else -> /* GETS, GETM */
		assert(n == 0);
		if
		:: busy -> queue!kind, f
		:: else -> handle(kind, f)
		fi
	fi;
	kind = 0;
	who = 0;
	count = 0;
	fin = 0;
	val = 0;
	check()
}

inline ask(n, how, what)
{
	wants[n] = how;
	data[n] = false;
	final_[n] = false;
	acks[n] = 0;
	needed[n] = 0;
	CH(n, 0)!what, 0, 0, 0, 0
}

/* What the home has said to itself comes before anything else there. */
#define FREE(n) (n != 0 || empty(net[0]))

proctype Node(byte me)
{
	mtype kind;
	byte who, count, val, j, k;
	bool fin, held;

end:	do
	:: atomic { FREE(me) && state[me] == I && wants[me] == NOTHING && writes < WRITES -> ask(me, READING, GETS) }
	:: atomic { FREE(me) && state[me] != M && wants[me] == NOTHING && writes < WRITES -> ask(me, WRITING, GETM) }
	:: atomic { FREE(me) && state[me] == M && writes < WRITES ->
		writes++;
		truth++;
		bytes[me] = truth;
		check() }
#ifdef HELD
	:: atomic { me == 0 && FREE(me) && !busy -> held = !held }
#endif
	:: atomic { me == 0 && nempty(CH(0, 0)) -> take(0, 0) }
	:: atomic { FREE(me) && nempty(CH(1, me)) -> take(me, 1) }
	:: atomic { FREE(me) && nempty(CH(2, me)) -> take(me, 2) }
	:: atomic { me != 0 && nempty(CH(0, me)) -> take(me, 0) }
	od
}

/* Nobody waits when nothing is under way. */
#define QUIET (empty(net[0]) && empty(net[1]) && empty(net[2]) && empty(net[3]) && empty(net[4]) && \
	       empty(net[5]) && empty(net[6]) && empty(net[7]) && empty(net[8]))

active proctype Watch()
{
end:	atomic {
		QUIET && (wants[0] != NOTHING || wants[1] != NOTHING || wants[2] != NOTHING) ->
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
