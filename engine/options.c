// SPDX-License-Identifier: GPL-2.0-only
/*
 * The engine's options, and the refusal of what cannot work.
 */
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "memory_p2pmem.h"
#include "options.h"
#include "regbuf.h"
#include "ring.h"

/* The most that one request moves (the kernel's MAX_RW_COUNT with pages of 4 KiB). */
#define MAX_RW		0x7ffff000ULL

#define HEAP_DEFAULT	"system"
#define GPU_DEFAULT	"0"

static const char *const arm_names[] = { "dmabuf", "fixed", "plain" };
static const char *const memory_names[] = { "memfd", "anon", "hugetlb", "p2pmem" };
static const char *const drm_memory_names[] = { "system", "vram" };
static const char *const exporter_names[] = {
	"udmabuf", "dma_heap", "drm", "cuda", "hip", "fd",
};

/* NULL: not built in */
static const struct exporter *const exporters[] = {
	[EXPORTER_UDMABUF] = &exporter_udmabuf,
	[EXPORTER_DMA_HEAP] = &exporter_dma_heap,
#ifdef CONFIG_LIBDRM
	[EXPORTER_DRM] = &exporter_drm,
#endif
	[EXPORTER_CUDA] = &exporter_cuda,
	[EXPORTER_HIP] = &exporter_hip,
	[EXPORTER_FD] = &exporter_fd,
};

#define OPTION(opt_name, opt_type, field, opt_def, opt_help)			\
	.name	= opt_name,							\
	.lname	= opt_name,							\
	.type	= opt_type,							\
	.off1	= offsetof(struct dmabuf_options, field),			\
	.def	= opt_def,							\
	.help	= opt_help,							\
	.category = FIO_OPT_C_ENGINE,						\
	.group	= FIO_OPT_G_INVALID

/* fio takes -1 for a large number, 1-2 for 1, and goes on after some that it finds too large. */
#define NUMBER(opt_name, number, opt_def, opt_help)				\
	OPTION(opt_name, FIO_OPT_STR_STORE, texts[number], opt_def, opt_help)

static const char *const number_names[NR_NUMBERS] = {
	[NUMBER_DMABUF_FD] = "dmabuf_fd",
	[NUMBER_SQPOLL_CPU] = "sqthread_poll_cpu",
	[NUMBER_FORCE_ASYNC] = "force_async",
	[NUMBER_EAGAIN_RETRIES] = "eagain_retries",
};

/* fio looks at what is before a comma or a colon, and does not mind the rest. */
static int one_word_cb(void fio_unused *data, const char *text)
{
	if (!strpbrk(text, ",:"))
		return 0;
	log_err("fio-dmabuf: %s: one word is wanted, not a list\n", text);
	return 1;
}

struct fio_option dmabuf_option_table[] = {
	{
		OPTION("arm", FIO_OPT_STR, arm, "dmabuf",
		       "How the job's buffers, its pool, are given to the kernel; the default needs "
		       "direct=1 and an NVMe drive"),
		.cb	= one_word_cb,
		.posval = {
			{ .ival = "dmabuf", .oval = ARM_DMABUF,
			  .help = "a dma-buf, registered and kept mapped for the device; a "
				  "reset of its controller ends that, and the job" },
			{ .ival = "fixed", .oval = ARM_FIXED,
			  .help = "registered user memory, mapped for the device at each I/O" },
			{ .ival = "plain", .oval = ARM_PLAIN,
			  .help = "user memory, pinned and mapped at each I/O" },
		},
	},
	{
		OPTION("exporter", FIO_OPT_STR, exporter, "udmabuf",
		       "arm=dmabuf: who makes the dma-buf"),
		.cb	= one_word_cb,
		.posval = {
			{ .ival = "udmabuf", .oval = EXPORTER_UDMABUF,
			  .help = "/dev/udmabuf, of a memfd" },
			{ .ival = "dma_heap", .oval = EXPORTER_DMA_HEAP,
			  .help = "a heap of /dev/dma_heap" },
			{ .ival = "drm", .oval = EXPORTER_DRM, .help = "a graphics driver (DRM)" },
			{ .ival = "cuda", .oval = EXPORTER_CUDA, .help = "an NVIDIA GPU" },
			{ .ival = "hip", .oval = EXPORTER_HIP, .help = "an AMD GPU" },
			{ .ival = "fd", .oval = EXPORTER_FD,
			  .help = "an inherited descriptor; "
				  "not on a kernel with swiotlb=force" },
		},
	},
	{
		OPTION("heap", FIO_OPT_STR_STORE, heap, HEAP_DEFAULT,
		       "exporter=dma_heap: the heap's name under /dev/dma_heap"),
	},
	{
		NUMBER("dmabuf_fd", NUMBER_DMABUF_FD, NULL,
		       "exporter=fd: the descriptor of a dma-buf that fio was started with"),
	},
	{
		OPTION("drm_device", FIO_OPT_STR_STORE, drm_device, NULL,
		       "exporter=drm: the device's node in /dev/dri (default: the first that can be used)"),
	},
	{
		OPTION("drm_memory", FIO_OPT_STR, drm_memory, "system",
		       "exporter=drm: where the memory of the dma-buf is"),
		.cb	= one_word_cb,
		.posval = {
			{ .ival = "system", .oval = DRM_MEMORY_SYSTEM,
			  .help = "the system's memory" },
			{ .ival = "vram", .oval = DRM_MEMORY_VRAM,
			  .help = "the device's own: amdgpu, i915, nouveau, xe" },
		},
	},
	{
		OPTION("gpu_dev_ids", FIO_OPT_STR_STORE, gpu_dev_ids, GPU_DEFAULT,
		       "exporter=cuda, exporter=hip: numbers of GPUs, as 0:1, which the jobs take "
		       "in turn"),
	},
	{
		OPTION("hugepages", FIO_OPT_BOOL, hugepages, "0",
		       "exporter=udmabuf: make the memfd behind it of huge pages"),
	},
	{
		OPTION("memory", FIO_OPT_STR, memory, "memfd",
		       "arm=fixed, arm=plain: what the pool is made of"),
		.cb	= one_word_cb,
		.posval = {
			{ .ival = "memfd", .oval = MEMORY_MEMFD,
			  .help = "a memfd, which is what udmabuf wraps" },
			{ .ival = "anon", .oval = MEMORY_ANON, .help = "anonymous memory" },
			{ .ival = "hugetlb", .oval = MEMORY_HUGETLB,
			  .help = "a memfd of huge pages: udmabuf's with hugepages=1" },
			{ .ival = "p2pmem", .oval = MEMORY_P2PMEM,
			  .help = "a PCI device's memory, by the kernel's P2PDMA; arm=plain" },
		},
	},
	{
		OPTION("p2pmem_device", FIO_OPT_STR_STORE, p2pmem_device, NULL,
		       "memory=p2pmem: the PCI address of the device with the memory, such as "
		       "0000:03:00.0 (default: the first that offers some)"),
	},
	{
		OPTION("registerfiles", FIO_OPT_STR_SET, registerfiles, NULL,
		       "Register the files with io_uring: no I/O has to look its file up"),
	},
	{
		OPTION("sqthread_poll", FIO_OPT_STR_SET, sqpoll, NULL,
		       "A kernel thread submits, and fio makes no system calls for that; implies "
		       "registerfiles=1"),
	},
	{
		NUMBER("sqthread_poll_cpu", NUMBER_SQPOLL_CPU, NULL,
		       "sqthread_poll=1: the CPU which the kernel thread runs on"),
	},
	{
		OPTION("hipri", FIO_OPT_STR_SET, hipri, NULL,
		       "Poll for completions, which takes direct=1 and a drive with poll queues; not "
		       "possible with arm=dmabuf"),
	},
	{
		NUMBER("force_async", NUMBER_FORCE_ASYNC, "0",
		       "Every so many requests, have one issued by a kernel worker (IOSQE_ASYNC); 0: none"),
	},
	{
		OPTION("nowait", FIO_OPT_BOOL, nowait, "0",
		       "Requests fail with EAGAIN where they would have to wait (RWF_NOWAIT)"),
	},
	{
		NUMBER("eagain_retries", NUMBER_EAGAIN_RETRIES, "1000",
		       "How many times one I/O is issued again before it fails with EAGAIN"),
	},
	{
		OPTION("poison", FIO_OPT_BOOL, poison, "0",
		       "Overwrite the memory before each read, and look for what is left of that after it"),
	},
	{
		OPTION("compare", FIO_OPT_BOOL, compare, "0",
		       "Compare each completed I/O with a plain read of the same range, and say in which "
		       "way it differs; nobody else may write there meanwhile"),
	},
	{
		OPTION("counters", FIO_OPT_STR_STORE, counters, NULL,
		       "File to which the job's counters are appended, one line of JSON per job"),
	},
	{
		.name	= NULL,
	},
};

const char *options_arm(const struct dmabuf_options *o)
{
	return arm_names[o->arm];
}

const char *options_exporter(const struct dmabuf_options *o)
{
	return o->arm == ARM_DMABUF ? exporter_names[o->exporter] : "none";
}

const char *options_memory(const struct dmabuf_options *o)
{
	if (o->arm != ARM_DMABUF)
		return memory_names[o->memory];
	if (o->exporter == EXPORTER_DMA_HEAP)
		return o->heap;
	if (o->exporter == EXPORTER_FD)
		return "inherited";
	if (o->exporter == EXPORTER_DRM)
		return drm_memory_names[o->drm_memory];
	if (o->exporter == EXPORTER_CUDA || o->exporter == EXPORTER_HIP)
		return drm_memory_names[DRM_MEMORY_VRAM];
	return memory_names[o->hugepages ? MEMORY_HUGETLB : MEMORY_MEMFD];
}

/* The nth number of a colon list, which starts again after its end, or -1 where it is none. */
static int nth_gpu(const char *list, unsigned int nth)
{
	unsigned long ids[64];
	unsigned int nr = 0;
	char *end;

	do {
		if (nr == sizeof(ids) / sizeof(ids[0]) || *list < '0' || *list > '9')
			return -1;
		ids[nr] = strtoul(list, &end, 10);
		if (ids[nr++] > INT_MAX || (*end && *end != ':'))
			return -1;
		list = end + 1;
	} while (*end);
	return ids[nth % nr];
}

const struct exporter *options_source(const struct thread_data *td, struct want *want)
{
	const struct dmabuf_options *o = td->eo;

	want->gpu = nth_gpu(o->gpu_dev_ids, td->thread_number - 1);
	want->heap = o->heap;
	want->dmabuf_fd = o->dmabuf_fd;
	want->drm_device = o->drm_device;
	want->vram = o->drm_memory == DRM_MEMORY_VRAM;
	if (o->arm == ARM_DMABUF) {
		want->huge = o->hugepages;
		return exporters[o->exporter];
	}
	want->huge = o->memory == MEMORY_HUGETLB;
	want->p2pmem_device = o->p2pmem_device;
	if (o->memory == MEMORY_P2PMEM)
		return &memory_p2pmem;
	return o->memory == MEMORY_ANON ? &memory_anon : &memory_memfd;
}

int complain(struct thread_data *td, int err, const char *fmt, ...)
{
	char text[sizeof(struct why) + 64];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	log_err("fio-dmabuf: %s: %s\n", td->o.name, text);
	td_verror(td, -err, "fio-dmabuf");
	return 1;
}

/* The same, but said once for all of numjobs, as they have the same options. */
#define refuse(td, err, ...)							\
({										\
	if (!(td)->subjob_number)						\
		complain(td, err, __VA_ARGS__);					\
	else									\
		td_verror(td, -(err), "fio-dmabuf");				\
	1;									\
})

static int check_number(struct thread_data *td, enum number_id id, int *number)
{
	const struct dmabuf_options *o = td->eo;
	const char *text = o->texts[id];
	unsigned long n;
	char *end;

	if (!text)
		return 0;
	n = strtoul(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || n > INT_MAX)
		return refuse(td, -EINVAL, "%s=%s: is not a number from 0 to %d", number_names[id],
			      text, INT_MAX);
	*number = n;
	return 0;
}

/* What fio does not find wrong with a value by itself. */
static int check_values(struct thread_data *td, struct dmabuf_options *o)
{
	const struct fio_option *opt;

	for (opt = dmabuf_option_table; opt->name; opt++) {
		unsigned int *value = (unsigned int *)((char *)o + opt->off1);

		if ((opt->type == FIO_OPT_BOOL || opt->type == FIO_OPT_STR_SET) && *value > 1)
			return refuse(td, -EINVAL, "%s=%d: is neither 0 nor 1", opt->name,
				      (int)*value);
	}
	o->dmabuf_fd = -1;
	o->sqpoll_cpu = -1;
	return check_number(td, NUMBER_DMABUF_FD, &o->dmabuf_fd) ||
	       check_number(td, NUMBER_SQPOLL_CPU, &o->sqpoll_cpu) ||
	       check_number(td, NUMBER_FORCE_ASYNC, &o->force_async) ||
	       check_number(td, NUMBER_EAGAIN_RETRIES, &o->eagain_retries);
}

static bool exported_by(const struct dmabuf_options *o, enum exporter_id id)
{
	return o->arm == ARM_DMABUF && o->exporter == id;
}

/* Where the arm does not need a block device. */
static int check_files(struct thread_data *td)
{
	struct fio_file *f;
	unsigned int i;

	for_each_file(td, f, i) {
		bool device = !strncmp(f->file_name, "/dev/", 5) &&
			      strncmp(f->file_name, "/dev/shm/", 9);
		struct stat st = { 0 };

		if (f->filetype == FIO_TYPE_PIPE)
			return refuse(td, -ESPIPE, "filename=%s: is a pipe; a file or a block "
				      "device is needed", f->file_name);
		if (stat(f->file_name, &st) && errno == ENOENT && device)
			return refuse(td, -ENOENT, "filename=%s: does not exist; give the name of "
				      "a device that does, or have the file elsewhere",
				      f->file_name);
		/* fio would delete it */
		if (S_ISDIR(st.st_mode) || S_ISSOCK(st.st_mode))
			return refuse(td, -EINVAL, "filename=%s: is a %s; a file or a block device "
				      "is needed", f->file_name,
				      S_ISDIR(st.st_mode) ? "directory" : "socket");
		if (td_trim(td) && f->filetype != FIO_TYPE_BLOCK)
			return refuse(td, -EOPNOTSUPP, "filename=%s: is not a block device; only "
				      "those can be trimmed", f->file_name);
	}
	return 0;
}

/* fio tells it the first of them alone; the others follow on it. */
static unsigned int numjobs(const struct thread_data *td)
{
	static unsigned int nr = 1;

	if (!td->subjob_number)
		nr = td->o.numjobs;
	return nr;
}

/* All of it is made present at once, which takes long to fail, and other programs' lives. */
static int check_memory(struct thread_data *td)
{
	unsigned long long has = (unsigned long long)sysconf(_SC_PHYS_PAGES) *
				 sysconf(_SC_PAGESIZE);
	unsigned long long bs = td_max_bs(td);
	unsigned int jobs = numjobs(td);

	if (!moves_data(td) || bs * td->o.iodepth <= has / jobs)
		return 0;
	return refuse(td, -ENOMEM, "iodepth=%u: with bs=%llu and numjobs=%u, buffers take %llu "
		      "MiB, and this machine has %llu; take less of one of them", td->o.iodepth, bs,
		      jobs, bs * td->o.iodepth / 1024 * jobs >> 10, has >> 20);
}

/* Which part of a file is each job's: do all end before the next one begins? */
static bool ranges_apart(const struct thread_options *o)
{
	/* the file's size, from wherever the job begins */
	if (o->file_size_low)
		return false;
	return (o->size && o->offset_increment >= o->size) ||
	       (o->size_percent && o->offset_increment_percent >= o->size_percent) ||
	       (o->size_nz && o->offset_increment_nz >= o->size_nz);
}

/* A file that the first of numjobs shares with another of them, which fio has all made by now. */
static const char *shared_file(struct thread_data *td)
{
	struct fio_file *f;
	unsigned int i;

	for (unsigned int n = 1; n < td->o.numjobs; n++) {
		const struct thread_data *other = tnumber_to_td(td->thread_number - 1 + n);

		for_each_file(td, f, i) {
			if (i < other->files_index &&
			    !strcmp(f->file_name, other->files[i]->file_name))
				return f->file_name;
		}
	}
	return NULL;
}

/* What one job writes, another would find changed, and take for wrong data. */
static int check_writers(struct thread_data *td, const struct dmabuf_options *o)
{
	static const char *shared;

	if (!td->subjob_number)
		shared = o->compare && td_write(td) && !ranges_apart(&td->o) ? shared_file(td) :
			 NULL;
	if (!shared)
		return 0;
	return refuse(td, -EINVAL, "compare=1: %u jobs (numjobs) write to the same blocks of "
		      "filename=%s, and would take each other's data for wrong; keep them apart by "
		      "an offset_increment of at least size, or take one job", numjobs(td), shared);
}

static bool has_dmabuf_fd(const struct thread_data *td, const struct thread_data *like)
{
	const struct dmabuf_options *o = td->eo, *wanted = like->eo;
	const char *text;

	if (td->io_ops != like->io_ops)
		return false;
	/* those of a job that is yet to be checked are not filled in */
	text = o->texts[NUMBER_DMABUF_FD];
	return text && strtoul(text, NULL, 10) == (unsigned long)wanted->dmabuf_fd;
}

/* Jobs would use the same bytes of an inherited dma-buf at once, unless a stonewall parts them. */
static int check_sharers(struct thread_data *td, const struct dmabuf_options *o)
{
	const struct thread_data *other;

	for (unsigned int n = td->thread_number - 1; n && !tnumber_to_td(n)->o.stonewall; n--) {
		if (!has_dmabuf_fd(tnumber_to_td(n - 1), td))
			continue;
		/* that one has told */
		td_verror(td, EINVAL, "fio-dmabuf");
		return 1;
	}
	for (unsigned int n = td->thread_number; n < thread_number; n++) {
		other = tnumber_to_td(n);
		if (other->o.stonewall)
			break;
		if (has_dmabuf_fd(other, td))
			return refuse(td, -EINVAL, "dmabuf_fd=%d: job %s has it too, and both would "
				      "use the same bytes of it; give each its own, or let one "
				      "wait for the other (stonewall)", o->dmabuf_fd,
				      other->o.name);
	}
	return 0;
}

static int check_dmabuf(struct thread_data *td, struct dmabuf_options *o)
{
	struct fio_file *f;
	struct why why;
	unsigned int i;

	if (o->exporter == EXPORTER_DRM && !exporters[EXPORTER_DRM])
		return refuse(td, -ENOSYS, "exporter=drm: this engine was built without libdrm; "
			      "install libdrm-dev, run ./configure, and make");
	if (nth_gpu(o->gpu_dev_ids, 0) < 0)
		return refuse(td, -EINVAL, "gpu_dev_ids=%s: is not a list of GPUs such as 0 or 0:1",
			      o->gpu_dev_ids);
	if (strchr(o->heap, '/'))
		return refuse(td, -EINVAL, "heap=%s: is not the name of a heap, such as system; "
			      "ls /dev/dma_heap", o->heap);
	if (o->exporter == EXPORTER_FD && o->dmabuf_fd < 0)
		return refuse(td, -EINVAL, "exporter=fd: which one? say dmabuf_fd=N, for a "
			      "descriptor that the program which starts fio has opened");
	if (o->exporter == EXPORTER_FD && numjobs(td) > 1)
		return refuse(td, -EINVAL, "numjobs=%u: the dma-buf of exporter=fd is one job's; "
			      "write several jobs, each with its own dmabuf_fd", numjobs(td));
	if (o->exporter == EXPORTER_FD && check_sharers(td, o))
		return 1;
	if (o->hipri)
		return refuse(td, -EINVAL, "hipri=1: io_uring takes no dma-buf in a polled ring; "
			      "leave it out with arm=dmabuf");
	if (o->nowait)
		return refuse(td, -EINVAL, "nowait=1: the first I/O has to wait while the dma-buf "
			      "is mapped for the drive, and would fail forever instead; leave it "
			      "out with arm=dmabuf");
	if (!td->o.odirect)
		return refuse(td, -EINVAL, "direct=0: a dma-buf is registered for a target that "
			      "was opened with O_DIRECT; say direct=1 with arm=dmabuf");
	if (o->memory == MEMORY_ANON || o->memory == MEMORY_P2PMEM)
		return refuse(td, -EINVAL, "memory=%s: is for %sarm=plain; with arm=dmabuf "
			      "exporter=%s decides", memory_names[o->memory],
			      o->memory == MEMORY_ANON ? "arm=fixed and " : "",
			      exporter_names[o->exporter]);
	if (o->hugepages && o->exporter != EXPORTER_UDMABUF)
		return refuse(td, -EINVAL, "hugepages=1: is for exporter=udmabuf; exporter=%s "
			      "decides itself what pages it takes", exporter_names[o->exporter]);
	if (o->memory == MEMORY_HUGETLB && !o->hugepages)
		return refuse(td, -EINVAL, "memory=hugetlb: is for arm=fixed and arm=plain; "
			      "add hugepages=1 for the same with arm=dmabuf");

	for_each_file(td, f, i) {
		if (f->filetype == FIO_TYPE_BLOCK)
			continue;
		if (f->filetype == FIO_TYPE_FILE && access(f->file_name, F_OK))
			return refuse(td, -ENOENT, "filename=%s: does not exist; arm=dmabuf needs "
				      "a block device", f->file_name);
		return refuse(td, -EOPNOTSUPP, "filename=%s: is not a block device; arm=dmabuf "
			      "needs one whose driver does I/O with dma-bufs (NVMe)",
			      f->file_name);
	}
	if (moves_data(td) && regbuf_probe(&why) != REGBUF_SUPPORTED)
		return refuse(td, -EOPNOTSUPP, "arm=dmabuf: %s", why.text);
	return 0;
}

static int check_p2pmem(struct thread_data *td, const struct dmabuf_options *o)
{
	char device[P2PMEM_NAME];
	struct why why;

	if (o->memory != MEMORY_P2PMEM && o->p2pmem_device)
		return refuse(td, -EINVAL, "p2pmem_device=%s: is for memory=p2pmem",
			      o->p2pmem_device);
	/* check_dmabuf() has more to say */
	if (o->memory != MEMORY_P2PMEM || o->arm == ARM_DMABUF)
		return 0;
	if (o->arm == ARM_FIXED)
		return refuse(td, -EINVAL, "memory=p2pmem: io_uring does not register a PCI "
			      "device's memory; take arm=plain");
	if (!td->o.odirect)
		return refuse(td, -EINVAL, "direct=0: the processor would copy, and no device "
			      "reach the memory of another; say direct=1 with memory=p2pmem");
	if (p2pmem_find(device, o->p2pmem_device, &why))
		return refuse(td, -ENODEV, "memory=p2pmem: %s", why.text);
	return 0;
}

int options_check(struct thread_data *td)
{
	struct dmabuf_options *o = td->eo;

	if (o->checked)
		return 0;

	/* else each job is set up by itself, and what several share, or zones, would not be known */
	if (!td->o.create_serialize)
		return refuse(td, -EINVAL, "create_serialize=0: jobs would start before they have "
			      "been checked against each other; leave it out");
	if (check_values(td, o))
		return 1;
	/* as in fio's io_uring engine: the thread takes registered files only */
	if (o->sqpoll)
		o->registerfiles = 1;

	if (o->sqpoll_cpu >= 0 && !o->sqpoll)
		return refuse(td, -EINVAL, "sqthread_poll_cpu=%d: has no effect without "
			      "sqthread_poll=1", o->sqpoll_cpu);
	if (o->hipri && o->arm != ARM_DMABUF && !td->o.odirect)
		return refuse(td, -EINVAL, "hipri=1: only direct I/O can be polled for; "
			      "say direct=1");
	if (o->hugepages && o->arm != ARM_DMABUF && o->memory != MEMORY_HUGETLB)
		return refuse(td, -EINVAL, "hugepages=1: is for arm=dmabuf; say memory=hugetlb "
			      "for the same with arm=%s", arm_names[o->arm]);
	if (o->arm != ARM_DMABUF && o->exporter)
		return refuse(td, -EINVAL, "exporter=%s: is for arm=dmabuf; with arm=%s memory= "
			      "says what the pool is made of", exporter_names[o->exporter],
			      arm_names[o->arm]);
	if (!exported_by(o, EXPORTER_DMA_HEAP) && strcmp(o->heap, HEAP_DEFAULT))
		return refuse(td, -EINVAL, "heap=%s: is for arm=dmabuf with exporter=dma_heap",
			      o->heap);
	if (!exported_by(o, EXPORTER_DRM) && (o->drm_device || o->drm_memory))
		return refuse(td, -EINVAL, "%s=%s: is for arm=dmabuf with exporter=drm",
			      o->drm_device ? "drm_device" : "drm_memory",
			      o->drm_device ? o->drm_device : drm_memory_names[o->drm_memory]);
	if (!exported_by(o, EXPORTER_CUDA) && !exported_by(o, EXPORTER_HIP) &&
	    strcmp(o->gpu_dev_ids, GPU_DEFAULT))
		return refuse(td, -EINVAL, "gpu_dev_ids=%s: is for arm=dmabuf with exporter=cuda "
			      "or exporter=hip", o->gpu_dev_ids);
	if (!exported_by(o, EXPORTER_FD) && o->dmabuf_fd != -1)
		return refuse(td, -EINVAL, "dmabuf_fd=%d: is for arm=dmabuf with exporter=fd",
			      o->dmabuf_fd);
	if (check_p2pmem(td, o))
		return 1;
	if (td->o.iodepth > RING_MAX_DEPTH)
		return refuse(td, -EINVAL, "iodepth=%u: io_uring takes at most %u", td->o.iodepth,
			      RING_MAX_DEPTH);
	if (td_max_bs(td) > MAX_RW)
		return refuse(td, -EINVAL, "bs=%llu: one request moves at most %llu bytes",
			      (unsigned long long)td_max_bs(td), MAX_RW);
	if (o->arm == ARM_FIXED && td_max_bs(td) > REGBUF_MAX_USER)
		return refuse(td, -EINVAL, "bs=%llu: a registered buffer has at most %lu bytes; "
			      "take a smaller bs, or arm=plain",
			      (unsigned long long)td_max_bs(td), REGBUF_MAX_USER);
	if (check_memory(td) || check_writers(td, o))
		return 1;
	if (fio_option_is_set(&td->o, mem_type))
		return refuse(td, -EINVAL, "mem: the pool is the engine's; leave mem= and iomem= "
			      "out, and say memory= with arm=fixed and arm=plain");
	if (td->o.read_iolog_chunked)
		return refuse(td, -EINVAL, "read_iolog_chunked=1: would replace the registered "
			      "buffers in mid-run; leave it out");
	if (o->registerfiles || o->arm == ARM_DMABUF) {
		if (td->o.open_files < td->o.nr_files)
			return refuse(td, -EINVAL, "openfiles=%u: all %u files have to stay open "
				      "with arm=dmabuf or registerfiles=1; leave it out",
				      td->o.open_files, td->o.nr_files);
		if (td->o.unlink_each_loop)
			return refuse(td, -EINVAL, "unlink_each_loop=1: the files have to stay "
				      "open with arm=dmabuf or registerfiles=1; leave it out");
	}
	if (o->arm == ARM_DMABUF ? check_dmabuf(td, o) : check_files(td))
		return 1;

	o->jobs = numjobs(td);
	o->checked = 1;
	return 0;
}
