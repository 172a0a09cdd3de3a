/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The state table of a member: what a claim about it changes.
 *
 * Claims form an order, first by incarnation, then by rank (alive < suspect < dead < left), and a
 * node keeps the greatest it has taken in, so all nodes end with the same whatever order messages
 * come in. Two things differ from SWIM: a death somebody else claims is not believed but counts as
 * a suspicion (each node waits its own time before it calls a member dead, in which the accused
 * can refute), and where one holds a member alive and another dead with the same incarnation, the
 * accused is asked (DISPUTE). The same table is in doc/design/0002-membership.md.
 */
#include <stdio.h>

#include "daemon/member_private.h"

#define ALIVE	DVMI_MEMBER_ALIVE
#define SUSPECT DVMI_MEMBER_SUSPECT
#define DEAD	DVMI_MEMBER_DEAD
#define LEFT	DVMI_MEMBER_LEFT

#define NEWS	(DVMD_MEMBER_ADOPT | DVMD_MEMBER_SPREAD)
#define START	DVMD_MEMBER_START
#define CONFIRM DVMD_MEMBER_CONFIRM
#define CORRECT DVMD_MEMBER_CORRECT
#define DISPUTE DVMD_MEMBER_DISPUTE
#define UP	DVMD_MEMBER_SAY_UP
#define TRUSTED DVMD_MEMBER_SAY_TRUSTED
#define DOWN	DVMD_MEMBER_SAY_DOWN

/* clang-format off */
static const struct dvmd_member_cell table[DVMI_MEMBER_STATES][DVMI_MEMBER_STATES]
					  [DVMD_MEMBER_ORDERS] = {
/* we hold    claim        lower incarnation    equal                        higher */
[ALIVE] = {
	[ALIVE]   = { { ALIVE, CORRECT },   { ALIVE, 0 },                { ALIVE, NEWS } },
	[SUSPECT] = { { ALIVE, CORRECT },   { SUSPECT, NEWS | START },   { SUSPECT, NEWS | START } },
	[DEAD]    = { { ALIVE, CORRECT },   { ALIVE, DISPUTE },          { SUSPECT, NEWS | START } },
	[LEFT]    = { { ALIVE, CORRECT },   { LEFT, NEWS | DOWN },       { LEFT, NEWS | DOWN } },
},
[SUSPECT] = {
	[ALIVE]   = { { SUSPECT, CORRECT }, { SUSPECT, CORRECT },        { ALIVE, NEWS | TRUSTED } },
	[SUSPECT] = { { SUSPECT, CORRECT }, { SUSPECT, CONFIRM },        { SUSPECT, NEWS | START } },
	[DEAD]    = { { SUSPECT, CORRECT }, { SUSPECT, CONFIRM },        { SUSPECT, NEWS | START } },
	[LEFT]    = { { SUSPECT, CORRECT }, { LEFT, NEWS | DOWN },       { LEFT, NEWS | DOWN } },
},
[DEAD] = {
	[ALIVE]   = { { DEAD, CORRECT },    { DEAD, CORRECT | DISPUTE }, { ALIVE, NEWS | UP } },
	[SUSPECT] = { { DEAD, CORRECT },    { DEAD, CORRECT },           { SUSPECT, NEWS | UP | START } },
	[DEAD]    = { { DEAD, CORRECT },    { DEAD, 0 },                 { DEAD, NEWS } },
	[LEFT]    = { { DEAD, CORRECT },    { LEFT, NEWS },              { LEFT, NEWS } },
},
[LEFT] = {
	[ALIVE]   = { { LEFT, CORRECT },    { LEFT, CORRECT },           { ALIVE, NEWS | UP } },
	[SUSPECT] = { { LEFT, CORRECT },    { LEFT, CORRECT },           { SUSPECT, NEWS | UP | START } },
	[DEAD]    = { { LEFT, CORRECT },    { LEFT, CORRECT },           { DEAD, NEWS } },
	[LEFT]    = { { LEFT, CORRECT },    { LEFT, 0 },                 { LEFT, NEWS } },
},
};
/* clang-format on */

const struct dvmd_member_cell *dvmd_member_cell(enum dvmi_member_state state,
						enum dvmi_member_state claim,
						enum dvmd_member_order order)
{
	return &table[state][claim][order];
}

void dvmd_member_effects_format(unsigned effects, char *out, size_t size)
{
	static const char *const names[] = { "adopt", "spread", "correct", "dispute", "confirm",
					     "start", "up",	"trusted", "down" };
	size_t len = 0;

	snprintf(out, size, "%s", effects ? "" : "-");
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (effects & (1u << i) && len < size)
			len += (size_t)snprintf(out + len, size - len, "%s%s", len ? "+" : "",
						names[i]);
	}
}
