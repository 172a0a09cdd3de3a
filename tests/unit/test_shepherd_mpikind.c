/* SPDX-License-Identifier: BSD-3-Clause */
/* What programs want of MPI, read from their files; and files that are not what they say. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/shepherd/elfneeds.h"
#include "daemon/shepherd/ldcache.h"
#include "daemon/shepherd/mpikind.h"
#include "libdvm/base/rng.h"
#include "tests/unit/cm.h"

static void libraries(void **state)
{
	(void)state;
	assert_int_equal(shep_mpikind_of_library("libmpi.so.40"), SHEP_MPI_PMIX);
	assert_int_equal(shep_mpikind_of_library("libmpi_mpifh.so.40"), SHEP_MPI_PMIX);
	assert_int_equal(shep_mpikind_of_library("libmpich.so.12"), SHEP_MPI_PMI1);
	assert_int_equal(shep_mpikind_of_library("libmpichfort.so.12"), SHEP_MPI_PMI1);
	assert_int_equal(shep_mpikind_of_library("libmpi.so.12"), SHEP_MPI_PMI1);
	assert_int_equal(shep_mpikind_of_library("libmpi.so.99"), SHEP_MPI_BOTH);
	assert_int_equal(shep_mpikind_of_library("libm.so.6"), SHEP_MPI_NONE);
	assert_int_equal(shep_mpikind_of_library("libmpfr.so.6"), SHEP_MPI_NONE);
	assert_int_equal(shep_mpikind_of_library(""), SHEP_MPI_NONE);
}

static unsigned kind(const char *program, const char *arg1, const char *arg2)
{
	char *argv[] = { (char *)(uintptr_t)program, (char *)(uintptr_t)arg1,
			 (char *)(uintptr_t)arg2 };
	size_t argc = arg2 ? 3 : arg1 ? 2 : 1;

	const struct shep_mpikind_where where = { .path = "/usr/bin:/bin", .wdir = "/tmp" };

	return shep_mpikind(program, argv, argc, &where);
}

__attribute__((noinline)) static int PMIx_Init(void)
{
	static volatile int done;

	return done;
}

static void programs(void **state)
{
	char script[64];

	(void)state;
	assert_int_equal(kind("/bin/true", NULL, NULL), SHEP_MPI_NONE);
	assert_int_equal(kind("/bin/ls", "/etc", "-l"), SHEP_MPI_NONE);
	assert_int_equal(kind("/bin/sh", "-c", "./solver"), SHEP_MPI_BOTH);
	assert_int_equal(kind("/usr/bin/env", "A=B", "true"), SHEP_MPI_NONE);
	assert_int_equal(kind("/usr/bin/env", "A=B", "sh"), SHEP_MPI_BOTH);
	/* This one has a library of MPI in itself, to judge by its symbols. */
	assert_int_equal(PMIx_Init(), 0);
	assert_int_equal(kind("/proc/self/exe", NULL, NULL), SHEP_MPI_BOTH);
	snprintf(script, sizeof script, "/tmp/dvm-kind.%d", (int)getpid());
	FILE *f = fopen(script, "w");
	assert_non_null(f);
	fputs("#!/bin/sh\nexec solver\n", f);
	fclose(f);
	chmod(script, 0700);
	assert_int_equal(kind(script, NULL, NULL), SHEP_MPI_BOTH);
	assert_int_equal(kind("/usr/bin/env", script, NULL), SHEP_MPI_BOTH);
	/* As seen from the job's directory, not from ours. */
	snprintf(script, sizeof script, "./dvm-kind.%d", (int)getpid());
	assert_int_equal(kind("/usr/bin/env", script, NULL), SHEP_MPI_BOTH);
	assert_int_equal(kind("/usr/bin/env", "./no-such", NULL), SHEP_MPI_NONE);
	snprintf(script, sizeof script, "/tmp/dvm-kind.%d", (int)getpid());
	unlink(script);
}

static int count(const char *name, void *arg)
{
	assert_true(strlen(name) < SHEP_ELF_NAME_MAX);
	++*(int *)arg;
	return 0;
}

static void needed(void **state)
{
	char runpath[64] = "x";
	int n = 0;

	(void)state;
	assert_int_equal(shep_elf_needed("/bin/sh", runpath, sizeof runpath, count, &n), 0);
	assert_true(n >= 1);
	assert_int_equal(shep_elf_needed("/etc/passwd", runpath, sizeof runpath, count, &n), -ENOEXEC);
	assert_int_equal(shep_elf_needed("/dev/null", runpath, sizeof runpath, count, &n), -ENOEXEC);
	assert_int_equal(shep_elf_needed("/nonesuch", runpath, sizeof runpath, count, &n), -ENOENT);
	assert_int_equal(shep_elf_needed("/", runpath, sizeof runpath, count, &n), -EISDIR);
}

/* A program whose header, tables and strings are spoilt anywhere, or that is cut. */
static void spoilt(void **state)
{
	struct dvmi_rng rng;
	char path[64], runpath[64];
	FILE *in = fopen("/bin/true", "r");
	uint8_t *bytes = malloc(1 << 20);

	(void)state;
	assert_non_null(in);
	size_t len = fread(bytes, 1, 1 << 20, in);
	fclose(in);
	dvmi_rng_seed(&rng, 3);
	snprintf(path, sizeof path, "/tmp/dvm-elf.%d", (int)getpid());
	for (int run = 0; run < 400; run++) {
		uint8_t *copy = malloc(len);
		size_t n = run % 4 ? len : (size_t)dvmi_rng_below(&rng, len);
		int found = 0;
		memcpy(copy, bytes, len);
		for (int i = 0; i < 6; i++)
			copy[dvmi_rng_below(&rng, run % 2 ? 1024 : len)] = (uint8_t)dvmi_rng_next(&rng);
		FILE *out = fopen(path, "w");
		assert_int_equal(fwrite(copy, 1, n, out), n);
		fclose(out);
		int rc = shep_elf_needed(path, runpath, sizeof runpath, count, &found);
		assert_true(rc == 0 || rc == -ENOEXEC || rc == -ENODATA || rc == -EINVAL);
		free(copy);
	}
	unlink(path);
	free(bytes);
}

static void cache(void **state)
{
	struct shep_ldcache c;
	char out[256], cut[64];

	(void)state;
	shep_ldcache_open(&c, "/etc/ld.so.cache");
	assert_int_equal(shep_ldcache_find(&c, "libc.so.6", "/bin/true", "", NULL, out, sizeof out), 0);
	assert_int_equal(access(out, R_OK), 0);
	assert_int_equal(shep_ldcache_find(&c, "libnone.so", "/bin/true", "", NULL, out, sizeof out),
			 -ENOENT);
	shep_ldcache_close(&c);
	shep_ldcache_open(&c, "/nonesuch");
	assert_null(c.bytes);
	/* Beside the program itself, as a search path may say. */
	assert_int_equal(
		shep_ldcache_find(&c, "passwd", "/etc/x", "/nonesuch:$ORIGIN", NULL, out, sizeof out),
		0);
	assert_string_equal(out, "/etc/passwd");
	assert_int_equal(
		shep_ldcache_find(&c, "passwd", "/bin/x", "", "/nonesuch:/etc", out, sizeof out), 0);
	assert_int_equal(shep_ldcache_find(&c, "passwd", "/bin/x", "", "/etc", out, 4), -ENOENT);
	snprintf(cut, sizeof cut, "/tmp/dvm-cache.%d", (int)getpid());
	FILE *f = fopen(cut, "w");
	fputs("glibc-ld.so.cache1.1", f);
	for (int i = 0; i < 40; i++)
		fputc(0xff, f);
	fclose(f);
	shep_ldcache_open(&c, cut);
	assert_int_equal(shep_ldcache_find(&c, "libnone.so", "/bin/x", "", NULL, out, sizeof out),
			 -ENOENT);
	shep_ldcache_close(&c);
	unlink(cut);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(libraries), cmocka_unit_test(programs), cmocka_unit_test(needed),
		cmocka_unit_test(spoilt),    cmocka_unit_test(cache),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
