#include "probe/assignment.h"

#include <math.h>
#include <stdbool.h>

#include "mhc/spec.h"

enum { NONE = -1 };

/* Costs are -a. Prices of rows and columns keep cost - row - column >= 0, with equality on matched pairs. */
typedef struct matching {
    int m;
    const double *a;
    double row[MHC_MAX_STREAMS], column[MHC_MAX_STREAMS];
    int row_of[MHC_MAX_STREAMS]; /* of a column; NONE while it is free */
} matching;

typedef struct search {
    double distance[MHC_MAX_STREAMS]; /* of each column from the new row */
    int before[MHC_MAX_STREAMS];      /* the column before it on the path; NONE: the new row itself */
    bool done[MHC_MAX_STREAMS];
} search;

static double slack(const matching *at, int row, int column) {
    return -at->a[row * at->m + column] - at->row[row] - at->column[column];
}

/* Shortest paths from row over alternating edges, until a free column is reached: that column. */
static int shortest(const matching *at, int row, search *s) {
    for (int j = 0; j < at->m; j++) {
        s->distance[j] = slack(at, row, j);
        s->before[j] = NONE;
        s->done[j] = false;
    }
    for (;;) {
        int next = NONE;
        for (int j = 0; j < at->m; j++)
            if (!s->done[j] && (next == NONE || s->distance[j] < s->distance[next]))
                next = j;
        s->done[next] = true;
        if (at->row_of[next] == NONE)
            return next;
        for (int j = 0; j < at->m; j++) {
            double through = s->distance[next] + slack(at, at->row_of[next], j);
            if (!s->done[j] && through < s->distance[j]) {
                s->distance[j] = through;
                s->before[j] = next;
            }
        }
    }
}

static void augment(matching *at, int row, const search *s, int free_column) {
    double length = s->distance[free_column];
    for (int j = 0; j < at->m; j++)
        if (s->done[j] && j != free_column) {
            at->column[j] += s->distance[j] - length;
            at->row[at->row_of[j]] += length - s->distance[j];
        }
    at->row[row] += length;
    int column = free_column;
    for (; s->before[column] != NONE; column = s->before[column])
        at->row_of[column] = at->row_of[s->before[column]];
    at->row_of[column] = row;
}

void mhc__assign(int m, const double *a, int *column_of) {
    matching at = {.m = m, .a = a};
    bool fine = true;
    for (int i = 0; i < m; i++) {
        column_of[i] = i;
        at.row_of[i] = NONE;
    }
    for (int k = 0; k < m * m; k++)
        fine = fine && isfinite(a[k]);
    if (!fine)
        return;
    for (int i = 0; i < m; i++) {
        search s;
        int free_column = shortest(&at, i, &s);
        augment(&at, i, &s, free_column);
    }
    for (int j = 0; j < m; j++)
        column_of[at.row_of[j]] = j;
}
