#include "config/nearest.h"

#include <stddef.h>
#include <string.h>

enum { LONGEST = 63, FAR = 1000 };

static int least(int a, int b) {
    return a < b ? a : b;
}

int mhc__edit_distance(const char *a, const char *b) {
    size_t m = strlen(a), n = strlen(b);
    if (m > LONGEST || n > LONGEST)
        return strcmp(a, b) ? FAR : 0;
    int rows[3][LONGEST + 1];
    for (size_t j = 0; j <= n; j++)
        rows[0][j] = (int)j;
    for (size_t i = 1; i <= m; i++) {
        int *row = rows[i % 3], *above = rows[(i + 2) % 3], *two_above = rows[(i + 1) % 3];
        row[0] = (int)i;
        for (size_t j = 1; j <= n; j++) {
            row[j] = least(least(above[j], row[j - 1]) + 1, above[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = least(row[j], two_above[j - 2] + 1);
        }
    }
    return rows[m % 3][n];
}

const char *mhc__nearest(const char *word, const char *const *choices) {
    const char *best = NULL;
    int best_distance = FAR;
    for (; *choices; choices++) {
        int distance = mhc__edit_distance(word, *choices);
        if (distance < best_distance) {
            best = *choices;
            best_distance = distance;
        }
    }
    /* A third of the word may be wrong; of a short one, one letter. */
    int allowed = (int)(strlen(word) / 3);
    return best_distance <= (allowed < 1 ? 1 : allowed) ? best : NULL;
}
