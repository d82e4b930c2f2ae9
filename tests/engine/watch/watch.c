// SPDX-License-Identifier: GPL-2.0-only
/*
 * To be preloaded into fio: has the engine's WATCH_FAIL-th call for memory, mappings, descriptors
 * or of io_uring's set-up fail, of all or of those called WATCH_CALL, and says when the process
 * ends what the engine has left behind. Jobs that are processes end without that.
 *
 * A dma-buf that the engine maps beside a shadow can be accessed between DMA_BUF_IOCTL_SYNC's start
 * and end alone, and read alone where the start was for that: else the process dies of it. How
 * many such pairs there were is said too, and how many calls were no start, or no end, of one.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <linux/dma-buf.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MOST	65536
#define MOST_FDS	1024

void *__libc_calloc(size_t nr, size_t size);
void *__libc_memalign(size_t align, size_t size);
void __libc_free(void *p);

static void *allocated[MOST];	/* by the engine, and not freed yet */
static long mapped;		/* bytes, likewise */
static int calls;

static bool by_engine(void *caller)
{
	Dl_info info;

	return dladdr(caller, &info) && strstr(info.dli_fname, "fio-dmabuf.so");
}

/* A dma-buf's mapping by its descriptor: that of one job, which is one thread. */
static struct {
	void *at;
	size_t size;
	unsigned long long access;	/* what was started, and has not ended */
} views[MOST_FDS];
static int pairs_in, pairs_out, wrong;

static bool is_dmabuf(int fd)
{
	char path[32], target[64] = "";

	if (fd < 0 || fd >= MOST_FDS)
		return false;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return readlink(path, target, sizeof(target) - 1) > 0 &&
	       !strncmp(target, "/dmabuf:", strlen("/dmabuf:"));
}

static void count(int *what)
{
	__atomic_add_fetch(what, 1, __ATOMIC_RELAXED);
}

static void allow(int fd, int prot)
{
	if (mprotect(views[fd].at, views[fd].size, prot))
		count(&wrong);
}

/* A call that the kernel has taken. */
static void synced(int fd, unsigned long long flags)
{
	unsigned long long access = flags & ~(unsigned long long)DMA_BUF_SYNC_END;

	if (fd >= MOST_FDS || !views[fd].at) {
		count(&wrong);
	} else if (!(flags & DMA_BUF_SYNC_END)) {
		if (views[fd].access ||
		    (access != DMA_BUF_SYNC_READ && access != DMA_BUF_SYNC_WRITE))
			count(&wrong);
		views[fd].access = access;
		allow(fd, access == DMA_BUF_SYNC_READ ? PROT_READ : PROT_WRITE);
	} else {
		if (views[fd].access != access)
			count(&wrong);
		else
			count(access == DMA_BUF_SYNC_READ ? &pairs_out : &pairs_in);
		views[fd].access = 0;
		allow(fd, PROT_NONE);
	}
}

/* Is it this call's turn to fail? */
static bool call_fails(void *caller, const char *name)
{
	const char *only = getenv("WATCH_CALL");
	static int which = -1;

	if (!by_engine(caller) || (only && strcmp(only, name)))
		return false;
	if (which < 0)
		which = getenv("WATCH_FAIL") ? atoi(getenv("WATCH_FAIL")) : 0;
	if (__atomic_add_fetch(&calls, 1, __ATOMIC_RELAXED) != which)
		return false;
	errno = ENOMEM;
	return true;
}

#define fails(caller)	call_fails(caller, __func__)

static void remember(void *caller, void *p)
{
	if (!p || !by_engine(caller))
		return;
	for (int i = 0; i < MOST; i++) {
		void *none = NULL;

		if (__atomic_compare_exchange_n(&allocated[i], &none, p, false, __ATOMIC_RELAXED,
						__ATOMIC_RELAXED))
			return;
	}
}

void *calloc(size_t nr, size_t size)
{
	void *caller = __builtin_return_address(0), *p;

	if (fails(caller))
		return NULL;
	p = __libc_calloc(nr, size);
	remember(caller, p);
	return p;
}

int posix_memalign(void **p, size_t align, size_t size)
{
	void *caller = __builtin_return_address(0);

	if (fails(caller))
		return ENOMEM;
	*p = __libc_memalign(align, size);
	remember(caller, *p);
	return *p ? 0 : ENOMEM;
}

void free(void *p)
{
	for (int i = 0; p && i < MOST && allocated[i]; i++) {
		if (allocated[i] == p) {
			/* not NULL: the search ends there */
			allocated[i] = allocated;
			break;
		}
	}
	__libc_free(p);
}

/* The next one of that name: the real one. */
#define REAL(name)	((__typeof__(&name))dlsym(RTLD_NEXT, #name))

void *mmap(void *at, size_t size, int prot, int flags, int fd, off_t offset)
{
	static __typeof__(&mmap) real;
	void *caller = __builtin_return_address(0), *p;

	if (!real)
		real = REAL(mmap);
	if (fails(caller))
		return MAP_FAILED;
	p = real(at, size, prot, flags, fd, offset);
	if (p == MAP_FAILED || (flags & MAP_FIXED) || !by_engine(caller))
		return p;
	__atomic_add_fetch(&mapped, size, __ATOMIC_RELAXED);
	/* one that is the CPU's view itself is at an address of the engine's choice */
	if (is_dmabuf(fd)) {
		views[fd].at = p;
		views[fd].size = size;
		allow(fd, PROT_NONE);
	}
	return p;
}

int munmap(void *at, size_t size)
{
	static __typeof__(&munmap) real;

	if (!real)
		real = REAL(munmap);
	if (!by_engine(__builtin_return_address(0)))
		return real(at, size);
	__atomic_sub_fetch(&mapped, size, __ATOMIC_RELAXED);
	for (int fd = 0; fd < MOST_FDS; fd++) {
		if (!views[fd].at || views[fd].at != at)
			continue;
		if (views[fd].access)
			count(&wrong);
		views[fd].access = 0;
		views[fd].at = NULL;
	}
	return real(at, size);
}

/* The engine moves mappings to where it has others: one less. */
void *mremap(void *at, size_t size, size_t new_size, int flags, ...)
{
	static void *(*real)(void *, size_t, size_t, int, void *);
	void *caller = __builtin_return_address(0), *to, *p;
	va_list ap;

	va_start(ap, flags);
	to = va_arg(ap, void *);
	va_end(ap);
	if (!real)
		real = (void *)dlsym(RTLD_NEXT, "mremap");
	if (fails(caller))
		return MAP_FAILED;
	p = real(at, size, new_size, flags, to);
	if (p != MAP_FAILED && by_engine(caller))
		__atomic_sub_fetch(&mapped, size, __ATOMIC_RELAXED);
	return p;
}

int memfd_create(const char *name, unsigned int flags)
{
	return fails(__builtin_return_address(0)) ? -1 : REAL(memfd_create)(name, flags);
}

int ftruncate(int fd, off_t size)
{
	return fails(__builtin_return_address(0)) ? -1 : REAL(ftruncate)(fd, size);
}

int open(const char *path, int flags, ...)
{
	va_list ap;
	int mode;

	va_start(ap, flags);
	mode = va_arg(ap, int);
	va_end(ap);
	return fails(__builtin_return_address(0)) ? -1 : REAL(open)(path, flags, mode);
}

int fcntl(int fd, int command, ...)
{
	va_list ap;
	long arg;

	va_start(ap, command);
	arg = va_arg(ap, long);
	va_end(ap);
	return fails(__builtin_return_address(0)) ? -1 : REAL(fcntl)(fd, command, arg);
}

int ioctl(int fd, unsigned long request, ...)
{
	void *caller = __builtin_return_address(0), *arg;
	va_list ap;
	int ret;

	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	if (fails(caller))
		return -1;
	ret = ((int (*)(int, unsigned long, ...))dlsym(RTLD_NEXT, "ioctl"))(fd, request, arg);
	if (!ret && request == DMA_BUF_IOCTL_SYNC && by_engine(caller))
		synced(fd, ((struct dma_buf_sync *)arg)->flags);
	return ret;
}

/* liburing's return what went wrong. */
#define FAILS(name, ...)							\
	(fails(__builtin_return_address(0)) ? -ENOMEM : REAL(name)(__VA_ARGS__))

int io_uring_queue_init_params(unsigned int nr, struct io_uring *ring, struct io_uring_params *p)
{
	return FAILS(io_uring_queue_init_params, nr, ring, p);
}

int io_uring_register_buffers_sparse(struct io_uring *ring, unsigned int nr)
{
	return FAILS(io_uring_register_buffers_sparse, ring, nr);
}

int io_uring_register_buffers_update_tag(struct io_uring *ring, unsigned int at,
					 const struct iovec *vecs, const __u64 *tags,
					 unsigned int nr)
{
	return FAILS(io_uring_register_buffers_update_tag, ring, at, vecs, tags, nr);
}

int io_uring_register_files(struct io_uring *ring, const int *fds, unsigned int nr)
{
	return FAILS(io_uring_register_files, ring, fds, nr);
}

int io_uring_register(unsigned int fd, unsigned int opcode, const void *arg, unsigned int nr)
{
	return FAILS(io_uring_register, fd, opcode, arg, nr);
}

/* Is this file or mapping one that nobody but the engine has? */
static bool ours(const char *line)
{
	static const char *const parts[] = {
		"memfd:fio-dmabuf", "[io_uring]", "/dmabuf:", "/dev/nvme", "fio-dmabuf-test-",
	};

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (strstr(line, parts[i])) {
			fprintf(stderr, "watch: left: %s\n", line);
			return true;
		}
	}
	return false;
}

static void __attribute__((destructor)) say(void)
{
	int memory = 0, fds = 0, maps = 0;
	char line[512];
	struct dirent *e;
	FILE *f;
	DIR *d;

	for (int i = 0; i < MOST; i++)
		memory += allocated[i] && allocated[i] != allocated;
	d = opendir("/proc/self/fd");
	while (d && (e = readdir(d))) {
		ssize_t n = readlinkat(dirfd(d), e->d_name, line, sizeof(line) - 1);

		line[n < 0 ? 0 : n] = '\0';
		fds += ours(line);
	}
	f = fopen("/proc/self/maps", "r");
	while (f && fgets(line, sizeof(line), f))
		maps += ours(line);
	fprintf(stderr, "watch: synced: in %d out %d wrong %d\n", pairs_in, pairs_out, wrong);
	fprintf(stderr, "watch: calls %d memory %d mapped %ld fds %d maps %d\n", calls, memory,
		mapped, fds, maps);
}
