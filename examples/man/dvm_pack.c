/* SPDX-License-Identifier: BSD-3-Clause */
/* Every rank but the first sends a record; the first one prints what comes, from any host. */
#include <stdio.h>

#include <dvm/dvm.h>
#include <dvm/pack.h>

enum { TAG = 1, N = 3 };

static int report(dvm_t *d, dvm_buf_t *b)
{
	double values[N] = { dvm_rank(d), 0.5, -1 };
	int32_t id = dvm_rank(d) * 10;
	int rc = dvm_pack_string(b, "sample");

	if (rc == 0)
		rc = dvm_pack_int32(b, &id, 1, 1);
	if (rc == 0)
		rc = dvm_pack_double(b, values, N, 1);
	return rc < 0 ? rc : dvm_buf_send(dvm_world(d), b, 0, TAG);
}

static int print(dvm_t *d, dvm_buf_t *b, int source)
{
	double values[N];
	char name[16];
	int32_t id;
	int rc = dvm_buf_recv(dvm_world(d), b, source, TAG, NULL);

	if (rc == 0)
		rc = dvm_unpack_string(b, name, sizeof name, NULL);
	if (rc == 0)
		rc = dvm_unpack_int32(b, &id, 1, 1);
	if (rc == 0)
		rc = dvm_unpack_double(b, values, N, 1);
	if (rc == 0)
		printf("%s %d: %g %g %g\n", name, (int)id, values[0], values[1], values[2]);
	return rc;
}

static int run(dvm_t *d)
{
	dvm_buf_t *b;
	int rc = dvm_buf_create(&b, DVM_PACK_XDR);

	if (rc < 0)
		return rc;
	if (dvm_rank(d) > 0)
		rc = report(d, b);
	for (int r = 1; dvm_rank(d) == 0 && r < dvm_size(d) && rc == 0; r++)
		rc = print(d, b, r);
	dvm_buf_free(b);
	return rc;
}

int main(void)
{
	dvm_t *d;

	if (dvm_open(&d, NULL, NULL) < 0)
		return 1;
	int rc = run(d);
	if (rc < 0)
		fprintf(stderr, "rank %d: %s\n", dvm_rank(d), dvm_strerror(rc));
	return dvm_close(d) < 0 || rc < 0;
}
