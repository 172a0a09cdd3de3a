/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "daemon/cli/printer.h"
#include "tests/unit/cm.h"

struct fixture {
	struct cli_printer *p;
	int out, err;
	uint64_t job; /* whose output is put; that of the printer is 7 */
};

static struct fixture open_as(enum cli_output output)
{
	struct fixture f = { .out = memfd_create("out", 0),
			     .err = memfd_create("err", 0),
			     .job = 7 };
	struct cli_printer_config config = {
		.output = output, .out = f.out, .err = f.err, .job = 7
	};

	assert_int_equal(cli_printer_create(&f.p, &config), 0);
	return f;
}

static int put(struct fixture *f, uint32_t rank, uint32_t stream, const char *text)
{
	Pb__Chunk c = PB__CHUNK__INIT;

	c.rank = rank;
	c.stream = stream;
	c.data = (ProtobufCBinaryData){ .len = strlen(text), .data = (uint8_t *)text };
	return cli_printer_chunk(f->p, f->job, &c);
}

/* What is in FD by now. */
static const char *text_of(int fd)
{
	static char text[8192];
	ssize_t n = pread(fd, text, sizeof text - 1, 0);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

static void close_fixture(struct fixture *f)
{
	cli_printer_destroy(f->p);
	close(f->out);
	close(f->err);
}

static void lines_are_never_torn(void **state)
{
	struct fixture f = open_as(CLI_OUTPUT_LINES);

	put(&f, 0, 1, "zero ");
	put(&f, 1, 1, "one\nmore ");
	put(&f, 0, 1, "is here\nand ");
	put(&f, 1, 2, "oops\n");
	assert_int_equal(cli_printer_flush(f.p), 0);
	assert_string_equal(text_of(f.out), "one\nzero is here\n");
	assert_string_equal(text_of(f.err), "oops\n");
	assert_int_equal(cli_printer_finish(f.p), 0);
	assert_non_null(strstr(text_of(f.out), "and ")); /* what had no end is not lost */
	assert_non_null(strstr(text_of(f.out), "more "));
	close_fixture(&f);
}

static void raw_is_as_it_comes(void **state)
{
	struct fixture f = open_as(CLI_OUTPUT_RAW);

	put(&f, 0, 1, "zero ");
	put(&f, 1, 1, "one\n");
	cli_printer_flush(f.p);
	assert_string_equal(text_of(f.out), "zero one\n");
	close_fixture(&f);
}

static void tags_are_in_front_of_every_line(void **state)
{
	struct fixture f = open_as(CLI_OUTPUT_TAG);

	put(&f, 3, 1, "a\n\nb");
	put(&f, 3, 1, "c\nlast");
	put(&f, 12, 2, "x\n");
	cli_printer_finish(f.p);
	assert_string_equal(text_of(f.out), "[3] a\n[3] \n[3] bc\n[3] last\n");
	assert_string_equal(text_of(f.err), "[12:err] x\n");
	close_fixture(&f);
}

static void children_are_told_from_their_parent(void **state)
{
	struct fixture f = open_as(CLI_OUTPUT_TAG);

	put(&f, 3, 1, "mine is ");
	f.job = 9;
	put(&f, 3, 1, "its ");
	put(&f, 3, 1, "own\n");
	put(&f, 3, 2, "bad\n");
	f.job = 7;
	put(&f, 3, 1, "mine\n");
	cli_printer_finish(f.p);
	assert_string_equal(text_of(f.out), "[9.3] its own\n[3] mine is mine\n");
	assert_string_equal(text_of(f.err), "[9.3:err] bad\n");
	close_fixture(&f);
}

static void json_is_one_object_a_line(void **state)
{
	struct fixture f = open_as(CLI_OUTPUT_JSON);

	put(&f, 0, 2, "say \"hi\"\t\n\xff\n");
	cli_printer_finish(f.p);
	assert_string_equal(
		text_of(f.out),
		"{\"job\":7,\"rank\":0,\"stream\":\"stderr\",\"time\":null,\"text\":\"say "
		"\\\"hi\\\"\\t\"}\n"
		"{\"job\":7,\"rank\":0,\"stream\":\"stderr\",\"time\":null,\"text\":"
		"\"\xef\xbf\xbd\"}\n");
	close_fixture(&f);
}

static void a_line_without_end_leaves_in_pieces(void **state)
{
	struct fixture f = open_as(CLI_OUTPUT_LINES);
	static char piece[64 << 10];

	memset(piece, 'x', sizeof piece - 1);
	for (size_t n = 0; n <= CLI_PRINTER_LINE_MAX; n += sizeof piece - 1)
		assert_int_equal(put(&f, 0, 1, piece), 0);
	cli_printer_flush(f.p);
	assert_true(lseek(f.out, 0, SEEK_END) > (off_t)CLI_PRINTER_LINE_MAX);
	close_fixture(&f);
}

static void files_of_ranks_begin_empty_and_only_grow(void **state)
{
	char dir[] = "/tmp/dvm-printer.XXXXXX", path[64];
	struct cli_printer_config config = { .output = CLI_OUTPUT_DIR, .dir = dir, .job = 7 };
	Pb__NodeShare share = PB__NODE_SHARE__INIT, *shares[] = { &share };
	Pb__Placement placement = PB__PLACEMENT__INIT;
	uint32_t ranks[] = { 0, 1 };
	struct fixture f = { .out = -1, .err = -1, .job = 7 };

	assert_non_null(mkdtemp(dir));
	share.ranks = ranks;
	share.n_ranks = 2;
	placement.ranks = 2;
	placement.nodes = shares;
	placement.n_nodes = 1;
	assert_int_equal(cli_printer_create(&f.p, &config), 0);
	assert_int_equal(cli_printer_placement(f.p, 7, &placement), 0);
	assert_int_equal(put(&f, 1, 1, "a"), 0);
	assert_int_equal(put(&f, 1, 1, "b\n"), 0);
	cli_printer_destroy(f.p);
	static const struct {
		const char *name, *text;
	} files[] = { { "rank.0.out", "" },
		      { "rank.0.err", "" },
		      { "rank.1.out", "ab\n" },
		      { "rank.1.err", "" } };
	for (size_t i = 0; i < 4; i++) {
		snprintf(path, sizeof path, "%s/%s", dir, files[i].name);
		int fd = open(path, O_RDONLY);
		assert_true(fd >= 0);
		assert_string_equal(text_of(fd), files[i].text);
		close(fd);
		unlink(path);
	}
	rmdir(dir);
}

static void a_directory_that_cannot_be_is_an_error(void **state)
{
	struct cli_printer_config config = { .output = CLI_OUTPUT_DIR, .dir = "/dev/null/x" };
	struct cli_printer *p;

	assert_int_equal(cli_printer_create(&p, &config), -ENOTDIR);
}

static void a_failure_stays(void **state)
{
	struct fixture f = { .err = -1 };
	int pipe_fd[2];

	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(pipe(pipe_fd), 0);
	close(pipe_fd[0]);
	struct cli_printer_config config = { .output = CLI_OUTPUT_RAW,
					     .out = pipe_fd[1],
					     .err = -1 };
	assert_int_equal(cli_printer_create(&f.p, &config), 0);
	put(&f, 0, 1, "x\n");
	assert_int_equal(cli_printer_flush(f.p), -EPIPE);
	assert_int_equal(put(&f, 0, 1, "y\n"), -EPIPE);
	assert_int_equal(cli_printer_finish(f.p), -EPIPE);
	cli_printer_destroy(f.p);
	close(pipe_fd[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_never_torn),
		cmocka_unit_test(raw_is_as_it_comes),
		cmocka_unit_test(tags_are_in_front_of_every_line),
		cmocka_unit_test(children_are_told_from_their_parent),
		cmocka_unit_test(json_is_one_object_a_line),
		cmocka_unit_test(a_line_without_end_leaves_in_pieces),
		cmocka_unit_test(files_of_ranks_begin_empty_and_only_grow),
		cmocka_unit_test(a_directory_that_cannot_be_is_an_error),
		cmocka_unit_test(a_failure_stays),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
