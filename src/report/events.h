/* TensorBoard's event files: TFRecord frames of Event messages with scalars. Formats:
 * docs/decisions/0026-tensorboard.md.
 *
 * Each start of a run opens a file of its own, FOLDER/events.out.tfevents.TIME.HOST.PID, and says in it from which step
 * on what came before is void; readers drop those steps. A kill leaves at most one cut frame at a file's end, where
 * readers stop and take the next file. */
#ifndef MHC_REPORT_EVENTS_H
#define MHC_REPORT_EVENTS_H

#include <stddef.h>
#include <stdint.h>

#include "base/text.h"

typedef struct mhc__events mhc__events;

/* from_step: the first step to come. The folder is there. */
mhc_status mhc__events_open(const char *folder, int64_t from_step, mhc__events **out, mhc_error *error);
/* A line of metrics.jsonl as one event: its numbers as scalars of the same names, null as NaN; written with one call to
 * the system. MHC_CORRUPT when it is not an object with a "step". */
mhc_status mhc__events_line(mhc__events *events, const char *line, size_t length, mhc_error *error);
void mhc__events_close(mhc__events *events); /* NULL is fine */

/* CRC-32C (Castagnoli; RFC 3720, appendix B.4). */
uint32_t mhc__crc32c(const void *bytes, size_t size);
/* One frame: length, its checksum, the bytes, theirs; little-endian. */
void mhc__tfrecord_append(mhc__text *out, const void *bytes, size_t size);

#endif
