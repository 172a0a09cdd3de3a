/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Links between pages that several nodes write, doc/design/0021-walked.md, "A table that is a table
 * again", as a model: a page P with an entry that leads to a page T with an entry, and two nodes,
 * each the home of one. Names are those of shm/protocol.h. walked.pml has one page among three.
 *
 * A kernel takes the link away, and tells the other node; then, who has the token fills T and links it
 * again, in one go. A link is the age of what it leads to, so that it can be seen whether that is
 * there; the protocol sees no more than that there is a link.
 *
 * Messages that tell (the token, DATAX) are posted; one comparison, T first, serves all that have come
 * together, and what it leaves out makes for another. Kernels and messages go on amid that.
 *
 * Checked: who has a link and what it leads to has that in the age of the link, or newer; who has
 * the token and a copy has the newest one; who has a page alone is alone; nobody waits for ever.
 *
 * FILLS, ENDS, ASKS, MODES bound a run. With two nodes all that one tells the other is on one
 * channel; so nothing shows here that SETTLED for ENDED has to come before T is known (left).
 */
#ifndef FILLS
#define FILLS 1 /* times that T is filled and linked again */
#endif
#ifndef ENDS
#define ENDS 1 /* times that the mode is ended for no reason */
#endif
#ifndef ASKS
#define ASKS 3 /* times that a node asks for a page, all together */
#endif
#ifndef MODES
#define MODES 2 /* times that the mode begins, of each page */
#endif
#define P 0
#define T 1
#define HOME(p) (p)
#define OTHER(n) (1 - (n))

mtype = { GETM, FWD_GETM, DATAX, DATAW, DONE, DONEW, DIFF, APPLY, APPLIED, SETTLED, LATE, OWNED, END,
	  ENDED, GRANT, TOKEN };
mtype = { I, M, W };
mtype = { NOT, POSTED, CLOSED };

/* kind, page, value, session or whether it was changed */
chan net[4] = [6] of { mtype, byte, byte, byte };
#define CH(from, to) net[(from) * 2 + (to)]
/* What a home has said to itself comes before anything else there. */
#define FREE(n) empty(CH(n, n))
#define X(p, n) ((p) * 2 + (n))

mtype state[4] = I;
bool wants[4], data[4], left[4], acked[4], owed[4];
byte copy[4], base[4], sent[4], session[4];
/* ENDED that came before GRANT: value, whether it was changed. */
chan early[4] = [1] of { byte, byte };
/* The gate. */
mtype pass[2] = NOT, give[4] = NOT;
byte unsettled[2], looked[2]; /* looked: 1 at T, 2 at both */
bool again[2], kept[2];	      /* kept: END of P */

bool token[2];
/* What the kernel has done. */
mtype = { LINKED, UNLINKED, TOLD };
mtype phase = LINKED;
byte age = 1, fills, ends, asks;

/* the homes' */
byte owner[2], ended[2], requester[2];
bool walked[2], busy[2], applies[2];
chan queue0 = [4] of { mtype, byte, byte, byte };
chan queue1 = [4] of { mtype, byte, byte, byte };

#define KNOWN(n) (state[X(T, n)] != W && !left[X(T, n)])
#define LEADS(n) (!sent[X(P, n)] && copy[X(P, n)] && !KNOWN(n))
/* Not all have what N has in T. */
#define AHEAD(n) (state[X(T, n)] == W -> \
		  copy[X(T, n)] != base[X(T, n)] || sent[X(T, n)] != base[X(T, n)] : left[X(T, n)])
#define MAY(p, n) ((p) == T || !copy[X(P, n)] || !AHEAD(n))
#define ENDING(p, n) (state[X(p, n)] == W && wants[X(p, n)])
#define PENDING(n) (unsettled[n] > 0 || kept[n] || ENDING(P, n) || ENDING(T, n))

#define GOOD(n) (state[X(P, n)] == I || state[X(T, n)] == I || copy[X(T, n)] >= copy[X(P, n)])
#define NEW(p, n, v) (!token[n] || state[X(p, n)] == I || copy[X(p, n)] == (v))
#define ALONE(p, n) (state[X(p, n)] != M || state[X(p, OTHER(n))] == I)

inline check()
{
	assert(GOOD(0) && GOOD(1));
	assert(NEW(T, 0, age) && NEW(T, 1, age));
	assert(NEW(P, 0, (phase == LINKED -> age : 0)) && NEW(P, 1, (phase == LINKED -> age : 0)));
	assert(ALONE(P, 0) && ALONE(P, 1) && ALONE(T, 0) && ALONE(T, 1))
}

/* ---- a copy ---- */

inline enter(x)
{
	base[x] = copy[x];
	sent[x] = copy[x];
	state[x] = W
}

inline forget(x)
{
	base[x] = 0;
	sent[x] = 0
}

inline drop(x)
{
	forget(x);
	copy[x] = 0;
	session[x] = 0;
	state[x] = I
}

/* No entry is changed by both. */
inline merge(x, v)
{
	assert(copy[x] == base[x] || v == base[x] || v == copy[x]);
	if
	:: copy[x] == base[x] -> copy[x] = v
	:: else
	fi
}

inline apply(x, v)
{
	merge(x, v);
	if
	:: sent[x] == base[x] -> sent[x] = v
	:: else
	fi;
	base[x] = v
}

inline merge_last(x, v, changed)
{
	if
	:: changed ->
		merge(x, v);
		owed[x] = true
	:: else
	fi;
	acked[x] = true
}

inline advance(p, n)
{
	if
	:: data[X(p, n)] && acked[X(p, n)] ->
		if
		:: owed[X(p, n)] -> CH(n, OTHER(n))!OWNED, p, 0, 0
		:: else
		fi;
		owed[X(p, n)] = false;
		data[X(p, n)] = false;
		acked[X(p, n)] = false;
		wants[X(p, n)] = false;
		state[X(p, n)] = M;
		forget(X(p, n));
		CH(n, HOME(p))!DONE, p, 0, 0
	:: else
	fi
}

inline ask(p, n)
{
	if
	:: !wants[X(p, n)] ->
		wants[X(p, n)] = true;
		CH(n, HOME(p))!GETM, p, 0, session[X(p, n)]
	:: else
	fi
}

inline end_T(n)
{
	if
	:: state[X(T, n)] == W -> ask(T, n)
	:: else
	fi
}

inline end_page(p, n)
{
	left[X(p, n)] = copy[X(p, n)] != base[X(p, n)];
	unsettled[n] = unsettled[n] + left[X(p, n)];
	CH(n, OTHER(n))!ENDED, p, copy[X(p, n)], left[X(p, n)];
	drop(X(p, n))
}

/* ---- the homes ---- */

#define PUT(p, k, f, v, s) if :: p == P -> queue0!k, f, v, s :: else -> queue1!k, f, v, s fi
#define GET(p, k, f, v, s) if :: p == P -> queue0?k, f, v, s :: else -> queue1?k, f, v, s fi
#define LEN(p) (p == P -> len(queue0) : len(queue1))

inline answer_late(p)
{
	k = LEN(p);
	do
	:: k > 0 ->
		GET(p, kind2, who2, val2, num2);
		if
		:: kind2 == DIFF && num2 <= ended[p] -> CH(HOME(p), who2)!LATE, p, 0, 0
		:: else -> PUT(p, kind2, who2, val2, num2)
		fi;
		k--
	:: else -> break
	od;
	kind2 = 0;
	who2 = 0;
	val2 = 0;
	num2 = 0
}

inline begin(p, from)
{
	busy[p] = true;
	requester[p] = from
}

inline handle(p, kind_, from, v, version)
{
	if
	:: kind_ == DIFF && from == HOME(p) && walked[p] ->
		begin(p, from);
		applies[p] = true;
		CH(HOME(p), OTHER(from))!APPLY, p, v, 0
	:: kind_ == DIFF && !(from == HOME(p) && walked[p]) ->
		if
		:: walked[p] -> apply(X(p, HOME(p)), v)
		:: else
		fi;
		CH(HOME(p), from)!SETTLED, p, 0, 0
	:: kind_ == GETM && walked[p] ->
		begin(p, from);
		CH(HOME(p), OTHER(from))!END, p, 0, 0;
		CH(HOME(p), from)!GRANT, p, 0, 0;
		walked[p] = false;
		owner[p] = from;
		ended[p] = version;
		answer_late(p)
	:: else ->
		assert(owner[p] != from);
		begin(p, from);
		owner[p] = from;
		CH(HOME(p), OTHER(from))!FWD_GETM, p, 0, 0
	fi
}

inline finish(p)
{
	busy[p] = false;
	requester[p] = 0;
	do
	:: !busy[p] && LEN(p) > 0 ->
		GET(p, kind, who, val, num);
		handle(p, kind, who, val, num)
	:: else -> break
	od
}

/* ---- what comes for N from F ---- */

inline take_order(p, n)
{
	if
	:: kind == FWD_GETM ->
		assert(state[X(p, n)] == M);
		if
		:: session[X(p, n)] < MODES && MAY(p, n) -> /* it looks like a table that is walked */
			session[X(p, n)]++;
			enter(X(p, n));
			CH(n, OTHER(n))!DATAW, p, base[X(p, n)], session[X(p, n)]
		:: true ->
			state[X(p, n)] = I;
			give[X(p, n)] = POSTED
		fi
	:: kind == APPLY ->
		assert(state[X(p, n)] == W);
		apply(X(p, n), val);
		CH(n, HOME(p))!APPLIED, p, 0, 0
	:: kind == END ->
		assert(state[X(p, n)] == W);
		if
		:: p == P -> kept[n] = true /* and tried at once */
		:: else -> end_page(p, n)
		fi
	:: else -> /* GRANT */
		assert(ENDING(p, n));
		data[X(p, n)] = true;
		do
		:: early[X(p, n)]?val, num -> merge_last(X(p, n), val, num)
		:: empty(early[X(p, n)]) -> break
		od;
		advance(p, n)
	fi
}

inline take_answer(p, n)
{
	if
	:: kind == DATAX || kind == DATAW ->
		assert(wants[X(p, n)] && state[X(p, n)] == I);
		copy[X(p, n)] = val;
		session[X(p, n)] = num;
		wants[X(p, n)] = false;
		if
		:: kind == DATAX ->
			state[X(p, n)] = M;
			CH(n, HOME(p))!DONE, p, 0, 0
		:: else ->
			enter(X(p, n));
			CH(n, HOME(p))!DONEW, p, 0, 0
		fi
	:: kind == ENDED ->
		assert(ENDING(p, n));
		if
		:: !data[X(p, n)] -> early[X(p, n)]!val, num
		:: else -> merge_last(X(p, n), val, num)
		fi;
		advance(p, n)
	:: else -> /* SETTLED, LATE, OWNED */
		assert(unsettled[n] > 0);
		unsettled[n]--;
		if
		:: kind == OWNED -> left[X(p, n)] = false
		:: kind == SETTLED && state[X(p, n)] == W -> base[X(p, n)] = sent[X(p, n)]
		:: else
		fi
	fi
}

inline take_request(p, n, f)
{
	assert(n == HOME(p));
	if
	:: kind == DONE || kind == DONEW ->
		assert(busy[p] && requester[p] == f && !applies[p]);
		walked[p] = kind == DONEW;
		finish(p)
	:: kind == APPLIED ->
		assert(applies[p]);
		applies[p] = false;
		CH(n, requester[p])!SETTLED, p, 0, 0;
		finish(p)
	:: kind == DIFF && num <= ended[p] -> CH(n, f)!LATE, p, 0, 0
	:: else ->
		if
		:: busy[p] -> PUT(p, kind, f, val, num)
		:: else -> handle(p, kind, f, val, num)
		fi
	fi
}

/* END of P waits until what P newly leads to is known: after each message, dsm_walk_retry(). */
inline retry(n)
{
	if
	:: kept[n] && LEADS(n) -> end_T(n)
	:: kept[n] && !LEADS(n) ->
		kept[n] = false;
		end_page(P, n)
	:: !kept[n]
	fi
}

inline take(n, f)
{
	CH(f, n)?kind, page, val, num;
	if
	:: kind == TOKEN ->
		token[n] = true;
		phase = (phase == UNLINKED -> TOLD : phase)
	:: kind == FWD_GETM || kind == APPLY || kind == END || kind == GRANT -> take_order(page, n)
	:: kind == DATAX || kind == DATAW || kind == ENDED || kind == SETTLED || kind == LATE ||
	   kind == OWNED -> take_answer(page, n)
	:: else -> take_request(page, n, f)
	fi;
	kind = 0;
	who = 0;
	val = 0;
	num = 0;
	page = 0;
	if
	:: FREE(n) -> retry(n)
	:: nempty(CH(n, n))
	fi;
	check()
}

/* ---- the gate ---- */

/* It is told; not while it ends, since all goes with that. */
inline tell(p, n)
{
	sent[X(p, n)] = copy[X(p, n)];
	if
	:: !wants[X(p, n)] ->
		unsettled[n]++;
		CH(n, HOME(p))!DIFF, p, copy[X(p, n)], session[X(p, n)]
	:: else
	fi
}

#define CHANGED(p, n) (state[X(p, n)] == W && copy[X(p, n)] != sent[X(p, n)])

inline look_at_T(n)
{
	again[n] = false;
	looked[n] = 1;
	if
	:: CHANGED(T, n) -> tell(T, n)
	:: else
	fi
}

inline look_at_P(n)
{
	looked[n] = 2;
	if
	:: CHANGED(P, n) && LEADS(n) ->
		again[n] = true;
		end_T(n)
	:: CHANGED(P, n) && !LEADS(n) -> tell(P, n)
	:: else
	fi
}

inline close(x)
{
	x = (x == POSTED -> CLOSED : x)
}

inline release_page(p, n)
{
	if
	:: give[X(p, n)] == CLOSED ->
		CH(n, OTHER(n))!DATAX, p, copy[X(p, n)], session[X(p, n)];
		give[X(p, n)] = NOT;
		drop(X(p, n))
	:: else
	fi
}

inline release(n)
{
	looked[n] = 0;
	release_page(P, n);
	release_page(T, n);
	if
	:: pass[n] == CLOSED ->
		pass[n] = NOT;
		CH(n, OTHER(n))!TOKEN, 0, 0, 0
	:: else
	fi
}

#define ANY(n) (pass[n] == POSTED || give[X(P, n)] == POSTED || give[X(T, n)] == POSTED)

inline may_ask(p, n)
{
	asks++;
	ask(p, n)
}

#define CAN_ASK(p, n) (state[X(p, n)] == I && !wants[X(p, n)] && asks < ASKS)
#define CAN_END(p, n) (state[X(p, n)] == W && !wants[X(p, n)] && ends < ENDS)
#define HAS(n) (token[n] && state[X(P, n)] != I)

proctype Node(byte me)
{
	mtype kind, kind2;
	byte page, who, val, num, k, who2, val2, num2;

end:	do
	:: atomic { FREE(me) && CAN_ASK(P, me) -> may_ask(P, me) }
	:: atomic { FREE(me) && CAN_ASK(T, me) -> may_ask(T, me) }
	:: atomic { FREE(me) && CAN_END(P, me) -> ends++; ask(P, me) }
	:: atomic { FREE(me) && CAN_END(T, me) -> ends++; ask(T, me) }
	:: atomic { FREE(me) && HAS(me) && phase == LINKED && fills < FILLS ->
		phase = UNLINKED;
		copy[X(P, me)] = 0;
		check() }
	:: atomic { FREE(me) && HAS(me) && phase == TOLD && state[X(T, me)] != I ->
		fills++;
		age++;
		phase = LINKED;
		copy[X(T, me)] = age;
		copy[X(P, me)] = age;
		check() }
	:: atomic { FREE(me) && token[me] ->
		token[me] = false;
		pass[me] = POSTED }
	:: atomic { FREE(me) && looked[me] == 0 && ANY(me) ->
		close(pass[me]);
		close(give[X(P, me)]);
		close(give[X(T, me)]);
		look_at_T(me) }
	:: atomic { FREE(me) && looked[me] == 1 -> look_at_P(me) }
	:: atomic { FREE(me) && looked[me] == 2 && !PENDING(me) && again[me] -> look_at_T(me) }
	:: atomic { FREE(me) && looked[me] == 2 && !PENDING(me) && !again[me] -> release(me) }
	:: atomic { nempty(CH(me, me)) -> take(me, me) }
	:: atomic { FREE(me) && nempty(CH(OTHER(me), me)) -> take(me, OTHER(me)) }
	od
}

#define QUIET (empty(net[0]) && empty(net[1]) && empty(net[2]) && empty(net[3]))
#define STUCK(n) (wants[X(P, n)] || wants[X(T, n)] || PENDING(n))
#define GOES_ON(n) ((looked[n] == 0 && ANY(n)) || looked[n] == 1 || (looked[n] == 2 && !PENDING(n)))

/* Nothing is under way, and nothing goes on by itself. */
active proctype Watch()
{
end:	atomic { QUIET && (STUCK(0) || STUCK(1)) && !GOES_ON(0) && !GOES_ON(1) -> assert(false) }
}

init
{
	atomic {
		if
		:: token[0] = true;
			state[X(P, 0)] = M;
			state[X(T, 0)] = M;
			copy[X(P, 0)] = 1;
			copy[X(T, 0)] = 1
		:: token[1] = true;
			state[X(P, 1)] = M;
			state[X(T, 1)] = M;
			copy[X(P, 1)] = 1;
			copy[X(T, 1)] = 1;
			owner[P] = 1;
			owner[T] = 1
		fi;
		run Node(0);
		run Node(1)
	}
}
