/* SPDX-License-Identifier: BSD-3-Clause */
/* See prefix.h. A line is one write, so that lines of several hosts mix whole. */
#include "tests/rig/prefix.h"

#include "tests/rig/wire.h"

#include <stdio.h>
#include <string.h>

static int put_line(struct rig_prefix *p)
{
	char buf[sizeof(p->line) + 128];
	int n = snprintf(buf, sizeof(buf), "%s%.*s\n", p->text, (int)p->len, p->line);

	p->len = 0;
	return rig_wire_write(p->fd, buf, (size_t)n < sizeof(buf) ? (size_t)n : sizeof(buf) - 1);
}

int rig_prefix_write(struct rig_prefix *p, const char *data, size_t len)
{
	int rc = 0;

	if (!p->text)
		return rig_wire_write(p->fd, data, len);
	for (size_t i = 0; i < len && rc == 0; i++) {
		if (data[i] != '\n')
			p->line[p->len++] = data[i];
		if (data[i] == '\n' || p->len == sizeof(p->line))
			rc = put_line(p);
	}
	return rc;
}

void rig_prefix_end(struct rig_prefix *p)
{
	if (p->text && p->len)
		(void)put_line(p);
}
