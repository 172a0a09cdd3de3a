/* SPDX-License-Identifier: BSD-3-Clause */
#include "kvm-node/together.h"

#include <string.h>

#define SETTLE	 (2 * VMM_TOGETHER_EVERY) /* what was moved finds its pages first */
#define STAY_MIN (10 * VMM_TOGETHER_EVERY)
#define STAY_MAX (320 * VMM_TOGETHER_EVERY)
#define LOST	 50u /* hundredths of a processor: less is not worth it */
#define ENOUGH	 80u /* hundredths of processors that are all one gets of them */
#define CROWDED	 125u /* ... that are wanted */

void vmm_together_begin(struct vmm_together *t, unsigned processors, uint64_t now)
{
	*t = (struct vmm_together){ .processors = processors, .since = now, .stay = STAY_MIN };
}

void vmm_together_moved(struct vmm_together *t, bool together, uint64_t now)
{
	uint64_t apart = now - t->since;

	/* They did not get on apart, once more. */
	if (together && t->parted && apart < 2 * t->stay)
		t->stay = 2 * t->stay < STAY_MAX ? 2 * t->stay : STAY_MAX;
	else if (together)
		t->stay = STAY_MIN;
	t->parted |= !together;
	t->together = together;
	t->since = now;
	t->n = 0;
}

/* PERCENT of so many processors, for NS. */
static uint64_t share(uint64_t ns, unsigned processors, unsigned percent)
{
	return ns / 100 * percent * processors;
}

/* They wait for pages more than they run, all in all. */
static bool lose(struct vmm_load l, uint64_t ns)
{
	return l.waited >= share(ns, 1, LOST) && l.waited >= l.busy;
}

static enum vmm_together_do judge(const struct vmm_together *t, struct vmm_load l, uint64_t ns)
{
	bool enough = l.busy < share(ns, t->processors, ENOUGH);
	/* Not what they get: others may have the processors, too. */
	bool crowded = l.wanted >= share(ns, t->processors, CROWDED);

	if (!t->together)
		return lose(l, ns) && enough ? VMM_TOGETHER_MEET : VMM_TOGETHER_STAY;
	/* Memory of other hosts is as far from here. */
	return lose(l, ns) || crowded ? VMM_TOGETHER_PART : VMM_TOGETHER_STAY;
}

enum vmm_together_do vmm_together_look(struct vmm_together *t, struct vmm_load load, uint64_t now)
{
	if (now - t->since < (t->together ? t->stay : SETTLE))
		return VMM_TOGETHER_STAY;
	if (t->n <= VMM_TOGETHER_LOOKS)
		t->n++;
	memmove(t->seen + 1, t->seen, sizeof t->seen - sizeof t->seen[0]);
	t->seen[0].at = now;
	t->seen[0].load = load;
	if (t->n <= VMM_TOGETHER_LOOKS)
		return VMM_TOGETHER_STAY;
	const struct vmm_load was = t->seen[VMM_TOGETHER_LOOKS].load;
	const struct vmm_load did = { load.busy - was.busy, load.waited - was.waited,
				      load.wanted - was.wanted };
	return judge(t, did, now - t->seen[VMM_TOGETHER_LOOKS].at);
}
