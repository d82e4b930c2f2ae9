/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * fio-dmabuf-probe: its report, and the parts that fill it. Everything that is found out is a row
 * of a section; a row is written once, as a line of the table or as a member of the JSON.
 */
#ifndef FIO_DMABUF_PROBE_H
#define FIO_DMABUF_PROBE_H

#include <stdbool.h>

/* As long as a name in sysfs can be. */
#define PROBE_NAME	256
/* Longest path that is handled. */
#define PROBE_PATH	1024

/**
 * enum probe_answer - what a row says
 * @PROBE_FACT: is no question
 * @PROBE_YES: it is there, and this user may use it
 * @PROBE_NO: it is not, and the row says why
 * @PROBE_UNKNOWN: cannot be told, and the row says why
 */
enum probe_answer {
	PROBE_FACT,
	PROBE_YES,
	PROBE_NO,
	PROBE_UNKNOWN,
};

/**
 * enum probe_need - what dma-buf I/O takes: one row that says yes in each
 */
enum probe_need {
	PROBE_NEED_KERNEL,
	PROBE_NEED_EXPORTER,
	PROBE_NEED_DRIVE,
	PROBE_NEED_FIO,
	PROBE_NEEDS,
};

/**
 * struct probe_row - one thing that was found out
 * @name: what it is about
 * @answer: see there
 * @reason: of a no or an unknown
 * @command: what would change it, or empty
 * @fields: its figures
 * @nr: how many
 */
struct probe_row {
	char name[2 * PROBE_NAME + 16];
	enum probe_answer answer;
	char reason[2 * PROBE_PATH];
	char command[PROBE_PATH];
	struct probe_field {
		const char *key;
		char value[PROBE_PATH];
		bool string;
	} fields[12];
	unsigned int nr;
};

/**
 * struct probe - a report that is being made
 * @json: as JSON; else as a table
 * @device: the name of the block device that the user asked about, or NULL
 * @sections: how many sections were begun
 * @rows: how many rows are in this one
 * @without_p2pdma: the kernel's configuration says that it has no peer-to-peer DMA
 * @needs: which needs are met, and why the others are not
 */
struct probe {
	bool json;
	const char *device;
	unsigned int sections;
	unsigned int rows;
	bool without_p2pdma;
	struct probe_met {
		bool met;
		char reason[2 * PROBE_PATH];
		char command[PROBE_PATH];
	} needs[PROBE_NEEDS];
};

/**
 * probe_section - begin a section of the report
 * @p: the report
 * @name: in the JSON the member that holds the rows
 */
void probe_section(struct probe *p, const char *name);

/**
 * probe_write - write a row
 * @p: the report
 * @row: a row that is complete
 */
void probe_write(struct probe *p, const struct probe_row *row);

/**
 * probe_end - write what closes the report
 * @p: the report
 */
void probe_end(struct probe *p);

/**
 * probe_needed - note what a row says of a need
 * @p: the report
 * @need: the need
 * @row: one of the rows that could meet it; the first that does not gives the reason
 */
void probe_needed(struct probe *p, enum probe_need need, const struct probe_row *row);

/**
 * probe_row - begin a row
 * @row: the row; a fact without fields until something else is said
 * @fmt: printf format of the name
 */
void __attribute__((format(printf, 2, 3)))
probe_row(struct probe_row *row, const char *fmt, ...);

/**
 * probe_says - give a row its answer
 * @row: the row
 * @answer: the answer
 * @fmt: printf format of the reason, or NULL
 */
void __attribute__((format(printf, 3, 4)))
probe_says(struct probe_row *row, enum probe_answer answer, const char *fmt, ...);

/**
 * probe_try - name the command that would change a row's answer
 * @row: the row
 * @fmt: printf format
 */
void __attribute__((format(printf, 2, 3)))
probe_try(struct probe_row *row, const char *fmt, ...);

/**
 * probe_text, probe_number, probe_bool - add a field to a row
 * @row: the row
 * @key: its name; "value" where the row's own name says it all
 * @text: left out when empty
 * @number: left out when negative
 * @yes: true or false
 */
void probe_text(struct probe_row *row, const char *key, const char *text);
void probe_number(struct probe_row *row, const char *key, long long number);
void probe_bool(struct probe_row *row, const char *key, bool yes);

/* The sections: each writes its own, in this order. */

/**
 * probe_kernel - what the kernel offers, its limits and its configuration
 * @p: the report
 */
void probe_kernel(struct probe *p);

/**
 * probe_exporters - who can make a dma-buf
 * @p: the report
 */
void probe_exporters(struct probe *p);

/**
 * probe_devices - drives, GPUs, and which of them reach each other
 * @p: the report
 */
void probe_devices(struct probe *p);

/**
 * probe_software - fio and the engine
 * @p: the report
 */
void probe_software(struct probe *p);

#endif
