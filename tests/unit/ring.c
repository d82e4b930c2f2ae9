// SPDX-License-Identifier: GPL-2.0-only
/*
 * A ring is set up with what this kernel has, its registered descriptor included, says with what,
 * and moves any number of requests up to its depth; what cannot be is refused with a reason.
 */
#include <errno.h>
#include <string.h>

#include "engine/ring.h"
#include "tests/unit/check.h"

static unsigned int reap(struct ring *ring)
{
	struct io_uring_cqe *cqe;
	unsigned int head, n = 0;

	io_uring_for_each_cqe(&ring->uring, head, cqe) {
		check(cqe->res == 0);
		n++;
	}
	io_uring_cq_advance(&ring->uring, n);
	return n;
}

static void queue(struct ring *ring, unsigned int nr)
{
	while (nr--) {
		struct io_uring_sqe *sqe;

		/* the kernel's thread may complete a request before it frees the entry */
		while (!(sqe = io_uring_get_sqe(&ring->uring)))
			check(ring->sqpoll);
		io_uring_prep_nop(sqe);
	}
}

/* Since 5.18. */
static bool has_registered_rings(void)
{
	struct io_uring uring;
	bool has;

	if (io_uring_queue_init(1, &uring, 0))
		return false;
	has = io_uring_register_ring_fd(&uring) == 1;
	io_uring_queue_exit(&uring);
	return has;
}

static void move(const struct ring_conf *conf)
{
	struct ring ring = { 0 };
	struct why why;

	if (ring_init(&ring, conf, &why))
		skip("no ring: %s", why.text);
	check(ring.live && ring.sqpoll == conf->sqpoll);
	check(!!(ring.setup_flags & IORING_SETUP_SQPOLL) == conf->sqpoll);
	/* then the number for system calls is not the descriptor */
	check((ring.uring.enter_ring_fd != ring.uring.ring_fd) == has_registered_rings());

	for (unsigned int round = 0; round < 3; round++) {
		unsigned int got = 0;

		/* submitted by itself, then waited for */
		queue(&ring, conf->depth);
		check(!ring_submit(&ring));
		while (got < conf->depth) {
			got += reap(&ring);
			check(!ring_wait(&ring, conf->depth > got ? conf->depth - got : 0));
		}
		check(got == conf->depth && !reap(&ring));

		/* submitted by the wait */
		queue(&ring, 1);
		do {
			check(!ring_wait(&ring, 1));
			got += reap(&ring);
		} while (got == conf->depth);
		check(got == conf->depth + 1);

		/* nothing there, and not waited for */
		check(!ring_wait(&ring, 0));
		check(!reap(&ring));
	}
	ring_exit(&ring);
	check(!ring.live);
	/* of one that is down, or never was up */
	ring_exit(&ring);
}

static bool has_flag(const struct ring *ring, const char *flag)
{
	const char *name;

	for (unsigned int i = 0; (name = ring_flag_name(ring, i)); i++) {
		if (!strcmp(name, flag))
			return true;
	}
	return false;
}

static void flags(void)
{
	struct ring ring = { .setup_flags = IORING_SETUP_SQPOLL | IORING_SETUP_SINGLE_ISSUER };

	check(has_flag(&ring, "sqpoll") && has_flag(&ring, "single_issuer"));
	check(!has_flag(&ring, "defer_taskrun") && !has_flag(&ring, "iopoll"));
	check(!ring_flag_name(&ring, 2));
}

static void refused(void)
{
	struct ring_conf deep = { .depth = RING_MAX_DEPTH + 1 };
	struct ring_conf nowhere = { .depth = 1, .sqpoll = true, .sqpoll_pinned = true,
				     .sqpoll_cpu = 100000 };
	struct ring ring = { 0 };
	struct why why;

	check(ring_init(&ring, &deep, &why) == -EINVAL);
	check(strstr(why.text, "iodepth=32769: io_uring takes at most 32768"));
	check(ring_init(&ring, &nowhere, &why) == -EINVAL);
	check(strstr(why.text, "sqthread_poll_cpu=100000: no such CPU"));
	check(!ring.live);
}

int main(void)
{
	static const unsigned int depths[] = { 1, 2, 3, 31, 32, 33, 128, 1000, 4096 };

	flags();
	for (size_t i = 0; i < sizeof(depths) / sizeof(depths[0]); i++) {
		struct ring_conf conf = { .depth = depths[i] };

		move(&conf);
		conf.sqpoll = true;
		move(&conf);
	}
	refused();
	return 0;
}
