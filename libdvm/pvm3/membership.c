/* SPDX-License-Identifier: BSD-3-Clause */
/* Who is a member of which group: the service knows. For libgpvm3. */
#include <stdlib.h>

#include "libdvm/pvm3/state.h"

static int take_numbers(const struct dvmi_buf *body, int **ints, int *n)
{
	struct dvmi_reader r;

	dvmi_reader_init(&r, body->data, body->len);
	uint32_t count = body->len ? dvmi_get_u32(&r) : 0;
	if (r.err || count > body->len / 4)
		return PvmBadMsg;
	int *v = calloc(count + 1, sizeof *v);
	if (!v)
		return PvmNoMem;
	for (uint32_t i = 0; i < count; i++)
		v[i] = (int)dvmi_get_u32(&r);
	*ints = v;
	*n = (int)count;
	return 0;
}

int pvmi_ask_group(int op, const char *group, int a, int b, int **ints, int *n)
{
	struct dvmi_buf args = { 0 }, body;
	int rc = pvmi_enrol();

	if (rc < 0)
		return rc;
	dvmi_buf_put_u32(&args, (uint32_t)op);
	dvmi_buf_put_str(&args, group ? group : "");
	dvmi_buf_put_u32(&args, (uint32_t)a);
	dvmi_buf_put_u32(&args, (uint32_t)b);
	rc = pvmi_ask(PVMI_GROUP, &args, &body);
	if (rc >= 0 && ints) {
		int taken = take_numbers(&body, ints, n);
		rc = taken < 0 ? taken : rc;
	}
	dvmi_buf_free(&args);
	dvmi_buf_free(&body);
	return rc;
}
