/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Pages that several nodes write, doc/design/0021-walked.md, as a model: one page with one entry,
 * three nodes, node 0 is its home. Names are those of shm/protocol.h.
 *
 * A token stands for the lock, or the interrupt, by which nodes learn of each other's changes: who has
 * it may change the entry, and it goes like any message that tells: after a comparison, and when
 * nothing is under way. So may the page itself, where one node has it alone (DATAX). Comparisons come
 * at other times, too: something else is told. Hardware looks at entries, and leaves a mark there.
 *
 * Checked: who has the token and a copy has the newest one; who has the page alone is alone; nobody
 * finds an entry that two have changed; no message comes where it makes no sense; nobody waits for
 * ever.
 *
 * WRITES, ENDS, LOOKS bound a run: changes, times that the mode is ended for no reason, marks.
 */
#define NODES 3
#ifndef WRITES
#define WRITES 2
#endif
#ifndef ENDS
#define ENDS 1
#endif
#ifndef LOOKS
#define LOOKS 1
#endif
#define ASKS 4 /* times that a node asks for the page, all together */
#define NOBODY 9

/* Entries that differ by nothing but hardware's mark. */
#define ACCESSED 8
#define MERE(a, b) (((a) | ACCESSED) == ((b) | ACCESSED))

mtype = { GETM, FWD_GETM, DATAX, DATAW, DONE, DONEW, FWD_WALK, DIFF, APPLY, APPLIED, SETTLED, LATE,
	  OTHERS, END, ENDED, GRANT, TOKEN };
mtype = { I, M, W };

/* kind, whom it concerns, value, session or count */
chan net[9] = [5] of { mtype, byte, byte, byte };
#define CH(from, to) net[(from) * NODES + (to)]

mtype state[NODES] = I;
bool wants[NODES], data[NODES];
byte copy[NODES], base[NODES], sent[NODES], session[NODES];
byte unsettled[NODES], foreign[NODES], acks[NODES], needed[NODES];
bool owed[9];
#define OWED(n, i) owed[(n) * NODES + (i)]
/* The token: who has it, to whom it goes next, whether we have compared for it. */
bool token[NODES];
byte pass[NODES] = NOBODY, give[NODES] = NOBODY;
bool compared[NODES];
byte truth, writes, ends, asks, looks;
/* ENDED that came before GRANT: from whom, value, count. */
chan early[NODES] = [2] of { byte, byte, byte };

/* the home's */
byte owner, giver, requester, applies, ended;
bool walked, busy, many, sharer[NODES];
chan queue = [4] of { mtype, byte, byte, byte };

#define PENDING(n) (unsettled[n] > 0 || foreign[n] > 0 || (state[n] == W && wants[n]))

inline check()
{
	assert(!token[0] || state[0] == I || MERE(copy[0], truth));
	assert(!token[1] || state[1] == I || MERE(copy[1], truth));
	assert(!token[2] || state[2] == I || MERE(copy[2], truth));
	assert(state[0] != M || (state[1] == I && state[2] == I));
	assert(state[1] != M || (state[0] == I && state[2] == I));
	assert(state[2] != M || (state[0] == I && state[1] == I))
}

inline enter(n)
{
	base[n] = copy[n];
	sent[n] = copy[n];
	state[n] = W
}

/* What is dead is 0: it makes no states. */
inline forget(n)
{
	base[n] = 0;
	sent[n] = 0
}

inline drop(n)
{
	forget(n);
	copy[n] = 0;
	session[n] = 0
}

/* dsm_walked_merge(): all had agreed on base[n], at another node it has become V. */
inline merge(n, v)
{
	assert(MERE(copy[n], base[n]) || MERE(v, base[n]) || MERE(copy[n], v));
	if
	:: v == base[n] || v == copy[n]
	:: else ->
		copy[n] = (copy[n] == base[n] -> v :
			   (MERE(copy[n], v) -> copy[n] | v :
			    (MERE(copy[n], base[n]) -> v : copy[n])))
	fi
}

/* What another has told comes to N. */
inline apply(n, v)
{
	merge(n, v);
	if
	:: sent[n] == base[n] -> sent[n] = v
	:: else
	fi;
	base[n] = v
}

/* What F had that was not agreed on. */
inline merge_last(n, f, v, changed)
{
	if
	:: changed ->
		merge(n, v);
		OWED(n, f) = true
	:: else
	fi;
	acks[n]++
}

/* All have ended it. */
inline advance(n)
{
	if
	:: data[n] && acks[n] >= needed[n] ->
		k = 0;
		do
		:: k < NODES ->
			if
			:: OWED(n, k) -> CH(n, k)!SETTLED, k, 0, 0
			:: else
			fi;
			OWED(n, k) = false;
			k++
		:: else -> break
		od;
		k = 0;
		state[n] = M;
		forget(n);
		wants[n] = false;
		if
		:: needed[n] > 0 -> CH(n, 0)!DONE, 0, 0, 0
		:: else
		fi;
		data[n] = false;
		acks[n] = 0;
		needed[n] = 0
	:: else
	fi
}

/* ---- the home ---- */

inline answer_late()
{
	k = len(queue);
	do
	:: k > 0 ->
		queue?kind2, who2, val2, num2;
		if
		:: kind2 == DIFF && num2 <= ended -> CH(0, who2)!LATE, who2, 0, 0
		:: else -> queue!kind2, who2, val2, num2
		fi;
		k--
	:: else -> break
	od;
	kind2 = 0;
	who2 = 0;
	val2 = 0;
	num2 = 0
}

inline end_walk(from, version)
{
	k = 0;
	j = 0;
	do
	:: j < NODES ->
		if
		:: sharer[j] && j != from ->
			CH(0, j)!END, from, 0, 0;
			k++
		:: else
		fi;
		sharer[j] = false;
		j++
	:: else -> break
	od;
	j = 0;
	CH(0, from)!GRANT, 0, 0, k;
	walked = false;
	owner = from;
	ended = version;
	busy = k > 0;
	requester = from;
	answer_late();
	k = 0
}

inline settle(from)
{
	CH(0, from)!SETTLED, from, 0, 0;
	j = 0;
	do
	:: j < NODES ->
		if
		:: many && sharer[j] && j != from -> CH(0, j)!OTHERS, from, 0, 0
		:: else
		fi;
		j++
	:: else -> break
	od;
	j = 0;
	many = false
}

inline spread(from, v)
{
	many = walked && sharer[0] && sharer[1] && sharer[2];
	j = 0;
	do
	:: j < NODES ->
		if
		:: walked && sharer[from] && sharer[j] && j != from && j != 0 ->
			CH(0, j)!APPLY, from, v, many;
			applies++
		:: walked && sharer[from] && sharer[j] && j != from && j == 0 ->
			apply(0, v);
			foreign[0] = foreign[0] + many
		:: else
		fi;
		j++
	:: else -> break
	od;
	j = 0;
	if
	:: applies > 0 ->
		busy = true;
		requester = from
	:: else -> settle(from)
	fi
}

inline handle(kind_, from, v, version)
{
	if
	:: kind_ == DIFF -> spread(from, v)
	:: kind_ == GETM && walked && sharer[from] -> end_walk(from, version)
	:: kind_ == GETM && walked && !sharer[from] ->
		giver = (sharer[0] -> 0 : owner);
		busy = true;
		requester = from;
		CH(0, giver)!FWD_WALK, from, 0, 0
	:: else ->
		assert(owner != from);
		giver = owner;
		owner = from;
		busy = true;
		requester = from;
		CH(0, giver)!FWD_GETM, from, 0, 0
	fi
}

inline serve()
{
	do
	:: !busy && len(queue) > 0 ->
		queue?kind, who, val, num;
		handle(kind, who, val, num)
	:: else -> break
	od
}

/* ---- what comes for N from F ---- */

inline take(n, f)
{
	CH(f, n)?kind, who, val, num;
	if
	:: kind == TOKEN -> token[n] = true
	:: kind == FWD_GETM ->
		assert(state[n] == M);
		if
		:: session[n] < 2 -> /* it looks like a table that is walked */
			session[n]++;
			enter(n);
			CH(n, who)!DATAW, 0, base[n], session[n]
		:: true ->
			state[n] = I;
			give[n] = who
		fi
	:: kind == DATAX ->
		assert(wants[n] && state[n] == I);
		copy[n] = val;
		session[n] = num;
		state[n] = M;
		wants[n] = false;
		CH(n, 0)!DONE, 0, 0, 0
	:: kind == DATAW ->
		assert(wants[n] && state[n] == I);
		copy[n] = val;
		session[n] = num;
		enter(n);
		wants[n] = false;
		CH(n, 0)!DONEW, 0, 0, 0
	:: kind == FWD_WALK ->
		assert(state[n] == W);
		CH(n, who)!DATAW, 0, base[n], session[n]
	:: kind == APPLY ->
		assert(state[n] == W);
		apply(n, val);
		foreign[n] = foreign[n] + num;
		CH(n, 0)!APPLIED, 0, 0, 0
	:: kind == SETTLED || kind == LATE ->
		assert(unsettled[n] > 0);
		unsettled[n]--;
		if
		:: kind == SETTLED && state[n] == W -> base[n] = sent[n]
		:: else
		fi
	:: kind == OTHERS ->
		assert(foreign[n] > 0);
		foreign[n]--
	:: kind == END ->
		assert(state[n] == W);
		state[n] = I;
		unsettled[n] = unsettled[n] + (copy[n] != base[n]);
		CH(n, who)!ENDED, n, copy[n], copy[n] != base[n];
		drop(n)
	:: kind == ENDED ->
		assert(state[n] == W && wants[n]);
		if
		:: !data[n] -> early[n]!f, val, num
		:: else -> merge_last(n, f, val, num)
		fi;
		advance(n)
	:: kind == GRANT ->
		assert(state[n] == W && wants[n]);
		data[n] = true;
		needed[n] = num;
		do
		:: early[n]?who, val, num -> merge_last(n, who, val, num)
		:: empty(early[n]) -> break
		od;
		advance(n)
	:: kind == DONE || kind == DONEW ->
		assert(n == 0 && busy && requester == f && applies == 0);
		if
		:: kind == DONEW ->
			walked = true;
			sharer[giver] = true;
			sharer[f] = true
		:: else
		fi;
		giver = 0;
		requester = 0;
		busy = false;
		serve()
	:: kind == APPLIED ->
		assert(n == 0 && applies > 0);
		applies--;
		if
		:: applies == 0 ->
			settle(requester);
			requester = 0;
			busy = false;
			serve()
		:: else
		fi
	:: else -> /* GETM, DIFF */
		assert(n == 0);
		if
		:: kind == DIFF && num <= ended -> CH(0, f)!LATE, f, 0, 0
		:: !(kind == DIFF && num <= ended) && busy -> queue!kind, f, val, num
		:: else -> handle(kind, f, val, num)
		fi
	fi;
	kind = 0;
	who = 0;
	val = 0;
	num = 0;
	check()
}

/* What the home has said to itself comes before anything else there. */
#define FREE(n) (n != 0 || empty(net[0]))

/* There is something to be told. */
inline compare(n)
{
	sent[n] = copy[n];
	unsettled[n]++;
	CH(n, 0)!DIFF, 0, copy[n], session[n]
}

proctype Node(byte me)
{
	mtype kind, kind2;
	byte who, val, num, j, k, who2, val2, num2;

end:	do
	:: atomic { FREE(me) && state[me] == I && !wants[me] && asks < ASKS ->
		asks++;
		wants[me] = true;
		CH(me, 0)!GETM, 0, 0, 0 }
	:: atomic { FREE(me) && state[me] == W && !wants[me] && ends < ENDS ->
		ends++;
		wants[me] = true;
		CH(me, 0)!GETM, 0, 0, session[me] }
	:: atomic { FREE(me) && token[me] && state[me] != I && writes < WRITES ->
		writes++;
		truth++;
		copy[me] = truth;
		check() }
	:: atomic { FREE(me) && token[me] && writes < WRITES && pass[me] == NOBODY ->
		token[me] = false;
		if
		:: me != 0 -> pass[me] = 0
		:: me != 1 -> pass[me] = 1
		:: me != 2 -> pass[me] = 2
		fi }
	:: atomic { FREE(me) && pass[me] != NOBODY && !compared[me] && !PENDING(me) ->
		compared[me] = true;
		if
		:: state[me] == W && !MERE(copy[me], sent[me]) -> compare(me)
		:: else
		fi }
	:: atomic { FREE(me) && state[me] == W && !PENDING(me) &&
		    !MERE(copy[me], sent[me]) -> compare(me) }
	:: atomic { FREE(me) && state[me] == W && looks < LOOKS && !(copy[me] & ACCESSED) ->
		looks++;
		copy[me] = copy[me] | ACCESSED }
	:: atomic { FREE(me) && compared[me] && !PENDING(me) ->
		CH(me, pass[me])!TOKEN, 0, 0, 0;
		compared[me] = false;
		pass[me] = NOBODY }
	:: atomic { FREE(me) && give[me] != NOBODY && !PENDING(me) ->
		CH(me, give[me])!DATAX, 0, copy[me], session[me];
		drop(me);
		give[me] = NOBODY }
	:: atomic { me == 0 && nempty(CH(0, 0)) -> take(0, 0) }
	:: atomic { FREE(me) && nempty(CH(1, me)) -> take(me, 1) }
	:: atomic { FREE(me) && nempty(CH(2, me)) -> take(me, 2) }
	:: atomic { me != 0 && nempty(CH(0, me)) -> take(me, 0) }
	od
}

#define QUIET (empty(net[0]) && empty(net[1]) && empty(net[2]) && empty(net[3]) && empty(net[4]) && \
	       empty(net[5]) && empty(net[6]) && empty(net[7]) && empty(net[8]))
#define STUCK(n) (wants[n] || PENDING(n))

/* Nothing is under way, and what waits to go may not. */
active proctype Watch()
{
end:	atomic {
		QUIET && (STUCK(0) || STUCK(1) || STUCK(2)) &&
		(give[0] == NOBODY || PENDING(0)) && (give[1] == NOBODY || PENDING(1)) &&
		(give[2] == NOBODY || PENDING(2)) -> assert(false)
	}
}

init
{
	atomic {
		state[0] = M;
		token[0] = true;
		run Node(0);
		run Node(1);
		run Node(2)
	}
}
