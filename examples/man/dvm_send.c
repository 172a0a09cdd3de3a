/* SPDX-License-Identifier: BSD-3-Clause */
/* Everybody greets rank 0, which takes the greetings as they come. */
#include <stdio.h>

#include <dvm/dvm.h>
#include <dvm/msg.h>

enum { GREETING = 1 };

static int greet(dvm_t *d)
{
	char text[64];
	int n = snprintf(text, sizeof text, "greetings from rank %d", dvm_rank(d));

	return dvm_send(dvm_world(d), text, (size_t)n, 0, GREETING);
}

static int listen(dvm_t *d)
{
	for (int i = 1; i < dvm_size(d); i++) {
		dvm_status_t st;
		char text[64];
		int rc = dvm_recv(dvm_world(d), text, sizeof text, DVM_ANY_SOURCE, GREETING, &st);

		if (rc < 0) /* with a longer one -DVM_ETRUNC, and its length in st.len */
			return rc;
		printf("%.*s: %d bytes from %d\n", (int)st.len, text, (int)st.len, st.source);
	}
	return 0;
}

int main(void)
{
	dvm_t *d;

	if (dvm_open(&d, NULL, NULL) < 0)
		return 1;
	int rc = dvm_rank(d) == 0 ? listen(d) : greet(d);
	if (rc < 0)
		fprintf(stderr, "rank %d: %s\n", dvm_rank(d), dvm_strerror(rc));
	return dvm_close(d) < 0 || rc < 0;
}
