/* PTX as nvcc writes it for the kernels here, no more of the language: statements up to a semicolon, labels, .reg,
 * .local, .param and .pragma; scopes of names are not kept apart, since a name that is declared again is a new one. */
#include "ptx/ptx.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FAMILIES = 16, NAMES = 4096, OPERANDS = 16 };

typedef struct word {
    const char *at;
    int length; /* 0 at the end */
} word;

/* Registers that are declared as %r<7>, %r0 to %r6; or one, count 0. */
typedef struct family {
    word name;
    int first, count;
} family;

typedef struct label {
    word name;
    int place;
} label;

typedef struct reader {
    ptx_function *function;
    const char *at;
    family family[FAMILIES], name[NAMES];
    int families, names;
    int8_t *width; /* of each register */
    int registers, room;
    int *fixed; /* its place where it is not a register of the program's, or -1 */
    size_t used;
    label *label, *jump;
    int labels, jumps, label_room, jump_room, code_room;
} reader;

/* A register; an address: base register or -1, offset. */
typedef struct operand {
    int at[4], count;
    ptx_space space; /* of a base that is a name */
    int64_t offset;
    word literal; /* a number or a name, not yet of a width */
} operand;

static _Noreturn void unknown(const reader *r, const char *at, const char *what) {
    int length = 0;
    while (at[length] && at[length] != '\n' && length < 120)
        length++;
    ptx_give_up("%.*s: %s: %.*s", r->function->name_length, r->function->name, what, length, at);
}

static void *more(void *memory, int *room, int count, size_t size) {
    if (count < *room)
        return memory;
    *room = *room * 2 + 64;
    memory = realloc(memory, (size_t)*room * size);
    return memory ? memory : (ptx_give_up("no memory for a function"), NULL);
}

static const char *skip_space(const char *at) {
    for (;;) {
        while (isspace((unsigned char)*at))
            at++;
        if (at[0] != '/' || at[1] != '/')
            return at;
        while (*at && *at != '\n')
            at++;
    }
}

static bool in_word(const char *at) {
    return isalnum((unsigned char)*at) || *at == '_' || *at == '$' || *at == '%' || *at == '.';
}

static word next_word(const char **at) {
    const char *begin = skip_space(*at), *end = begin;
    if (*end == '-' && isdigit((unsigned char)end[1]))
        end++;
    while (in_word(end) || (end[0] == ':' && end[1] == ':'))
        end += *end == ':' ? 2 : 1;
    if (end == begin && *end)
        end++;
    *at = end;
    return (word){begin, (int)(end - begin)};
}

static bool is(word w, const char *text) {
    return w.length == (int)strlen(text) && memcmp(w.at, text, (size_t)w.length) == 0;
}

static bool same(word a, word b) {
    return a.length == b.length && memcmp(a.at, b.at, (size_t)a.length) == 0;
}

static void need(const reader *r, const char **at, const char *text) {
    const char *from = *at;
    if (!is(next_word(at), text))
        unknown(r, from, text);
}

/* ------------------------------------------------------------------------------------------------------ registers */

static int add_register(reader *r, int width, int fixed) {
    if (r->registers == r->room) {
        r->room = r->room * 2 + 4096;
        r->width = realloc(r->width, (size_t)r->room);
        r->fixed = realloc(r->fixed, (size_t)r->room * sizeof *r->fixed);
        if (!r->width || !r->fixed)
            ptx_give_up("no memory for registers");
    }
    r->width[r->registers] = (int8_t)width;
    r->fixed[r->registers] = fixed;
    return r->registers++;
}

static size_t bytes_of(int width) {
    return width == 1 ? 4 : PTX_LANES * (size_t)(width == 8 ? 8 : 4);
}

static char *room_in_image(reader *r, size_t bytes) {
    r->function->image = realloc(r->function->image, r->used + bytes);
    if (!r->function->image)
        ptx_give_up("no memory for constants");
    char *room = r->function->image + r->used;
    r->used += bytes;
    return room;
}

static int constant(reader *r, uint64_t value, int width) {
    const int place = (int)r->used;
    char *room = room_in_image(r, bytes_of(width));
    if (width == 1) {
        const uint32_t mask = value ? ~0u : 0;
        memcpy(room, &mask, sizeof mask);
    }
    for (int l = 0; l < PTX_LANES && width > 1; l++)
        if (width == 8)
            memcpy(room + 8 * l, &value, 8);
        else
            memcpy(room + 4 * l, &value, 4);
    return add_register(r, width, place);
}

static int width_of(word type) {
    const char *digits = type.at + type.length;
    while (digits > type.at && isdigit((unsigned char)digits[-1]))
        digits--;
    const int bits = atoi(digits);
    return is(type, ".pred") ? 1 : bits / 8;
}

static void declare_registers(reader *r, const char **at) {
    const int width = width_of(next_word(at));
    for (word w = {",", 1}; is(w, ",");) {
        family f = {next_word(at), r->registers, 0};
        const char *after = *at;
        if (is(next_word(&after), "<")) {
            f.count = atoi(next_word(&after).at);
            need(r, &after, ">");
            *at = after;
        }
        for (int k = 0; k < (f.count > 0 ? f.count : 1); k++)
            add_register(r, width, -1);
        if (f.count > 0 ? r->families == FAMILIES : r->names == NAMES)
            unknown(r, f.name.at, "too many declarations");
        if (f.count > 0)
            r->family[r->families++] = f;
        else
            r->name[r->names++] = f;
        w = next_word(at);
        if (!is(w, ",") && !is(w, ";"))
            unknown(r, w.at, "expected , or ;");
    }
}

/* -1: no register of that name. */
static int register_of(const reader *r, word w) {
    static const char *const specials[] = {"%tid.x", "%ntid.x", "%ctaid.x", "%nctaid.x"};
    for (int k = 0; k < 4; k++)
        if (is(w, specials[k]))
            return k;
    int prefix = w.length;
    while (prefix > 0 && isdigit((unsigned char)w.at[prefix - 1]))
        prefix--;
    for (int f = 0; f < r->families && prefix < w.length; f++)
        if (same(r->family[f].name, (word){w.at, prefix})) {
            const int number = atoi(w.at + prefix);
            if (number < r->family[f].count)
                return r->family[f].first + number;
        }
    for (int n = r->names - 1; n >= 0; n--)
        if (same(r->name[n].name, w))
            return r->name[n].first;
    return -1;
}

/* ------------------------------------------------------------------------------------------------------- operands */

/* A number, or the address that a name stands for in its space. */
static bool value_of(const reader *r, word w, uint64_t *value, ptx_space *space) {
    const ptx_function *f = r->function;
    *space = PTX_GENERIC;
    if (w.length > 2 && w.at[0] == '0' && (w.at[1] == 'f' || w.at[1] == 'd' || w.at[1] == 'x')) {
        *value = strtoull(w.at + 2, NULL, 16);
        return true;
    }
    if (isdigit((unsigned char)w.at[0]) || w.at[0] == '-') {
        *value = w.at[0] == '-' ? (uint64_t)strtoll(w.at, NULL, 10) : strtoull(w.at, NULL, 10);
        return true;
    }
    for (int k = 0; k < f->params; k++)
        if (same(w, (word){f->param[k].name, f->param[k].length})) {
            *value = (uint64_t)f->param[k].offset;
            *space = PTX_PARAM;
            return true;
        }
    for (int k = 0; k < f->module->globals; k++)
        if (same(w, (word){f->module->global[k].name, f->module->global[k].length})) {
            *value = (uint64_t)(uintptr_t)f->module->global[k].memory;
            *space = PTX_GLOBAL;
            return true;
        }
    *value = 0; /* dynamic shared memory is at the beginning */
    *space = PTX_SHARED;
    return is(w, "memory");
}

static void read_operand(reader *r, const char **at, operand *o) {
    word w = next_word(at);
    *o = (operand){{-1, -1, -1, -1}, 0, PTX_GENERIC, 0, {NULL, 0}};
    if (is(w, "{")) {
        while (!is(w = next_word(at), "}"))
            if (!is(w, ",")) {
                o->at[o->count] = register_of(r, w);
                if (o->at[o->count++] < 0)
                    unknown(r, w.at, "no register");
            }
    } else if (is(w, "[")) {
        uint64_t value = 0;
        w = next_word(at);
        o->at[0] = register_of(r, w);
        o->literal = w;
        if (o->at[0] < 0 && !value_of(r, w, &value, &o->space))
            unknown(r, w.at, "no address");
        o->offset = (int64_t)value;
        if (is(w = next_word(at), "+")) {
            o->offset += strtoll(next_word(at).at, NULL, 10);
            w = next_word(at);
        }
        if (!is(w, "]"))
            unknown(r, w.at, "expected ]");
    } else {
        o->count = 1;
        o->at[0] = register_of(r, w);
        if (o->at[0] < 0)
            o->literal = w;
        const char *after = *at;
        if (is(next_word(&after), "|")) { /* d|p: the second is not asked for by anybody here */
            next_word(&after);
            *at = after;
        }
    }
}

static int as_register(reader *r, operand *o, int k, int width) {
    if (o->at[k] >= 0)
        return o->at[k];
    uint64_t value;
    ptx_space space;
    if (r->function->local_bytes > 0 && o->literal.length > 12 && memcmp(o->literal.at, "__local_depot", 12) == 0)
        return PTX_LOCAL_BASE;
    if (!value_of(r, o->literal, &value, &space))
        unknown(r, o->literal.at, "no operand");
    return constant(r, value, width);
}

/* --------------------------------------------------------------------------------------------------- instructions */

static ptx_code *add_code(reader *r, const char *text) {
    ptx_function *f = r->function;
    f->code = more(f->code, &r->code_room, f->count, sizeof *f->code);
    ptx_code *c = &f->code[f->count++];
    memset(c, 0, sizeof *c);
    memset(c->to, -1, sizeof c->to);
    memset(c->from, -1, sizeof c->from);
    c->guard = -1;
    c->text = text;
    return c;
}

static bool starts(word w, const char *text) {
    return w.length >= (int)strlen(text) && memcmp(w.at, text, strlen(text)) == 0;
}

/* ld.global.cs.v4.u32 and the like: what matters of it. */
static void access_of(reader *r, word op, ptx_code *c) {
    const char *end = op.at + op.length, *at = op.at;
    c->count = 1;
    while ((at = memchr(at, '.', (size_t)(end - at))) != NULL) {
        const char *next = memchr(at + 1, '.', (size_t)(end - at - 1));
        const word part = {at, (int)((next ? next : end) - at)};
        if (is(part, ".global"))
            c->space = PTX_GLOBAL;
        else if (starts(part, ".shared"))
            c->space = PTX_SHARED;
        else if (is(part, ".local"))
            c->space = PTX_LOCAL;
        else if (is(part, ".param"))
            c->space = PTX_PARAM;
        else if (is(part, ".v2") || is(part, ".v4"))
            c->count = part.at[2] - '0';
        else if (!is(part, ".cs") && !is(part, ".relaxed") && !is(part, ".gpu") && !is(part, ".nc"))
            c->bytes = width_of(part), c->sign = part.at[1] == 's';
        c->lets_run = c->lets_run || is(part, ".relaxed");
        at++;
    }
    if (c->bytes == 0)
        unknown(r, op.at, "no width");
}

static void memory_code(reader *r, word op, const operand o[], ptx_code *c) {
    const bool store = starts(op, "st.") || starts(op, "red");
    const operand *address = &o[store ? 0 : 1], *values = &o[store ? 1 : 0];
    access_of(r, op, c);
    c->run = starts(op, "red") ? ptx_release_add : store ? ptx_store : ptx_load;
    c->from[0] = address->at[0];
    c->offset = address->offset;
    c->narrow = c->from[0] >= 0 && r->width[c->from[0]] == 4;
    if (c->from[0] < 0 && address->space != c->space)
        unknown(r, op.at, "an address of another space");
    for (int k = 0; k < c->count; k++) {
        const int at = as_register(r, (operand *)values, k, c->bytes == 8 ? 8 : 4);
        c->wide = r->width[at] == 8;
        if (store)
            c->from[1 + k] = at;
        else
            c->to[k] = at;
    }
}

/* A called function's param: a register of the caller's. */
static void param_code(reader *r, operand o[], ptx_code *c) {
    const int to = o[0].at[0], width = r->width[to] == 8 ? 8 : 4;
    c->run = ptx_arithmetic(width == 8 ? "mov.b64" : "mov.b32", 7)->run;
    c->to[0] = to;
    c->from[0] = as_register(r, &o[1], 0, width);
}

static void call_code(reader *r, const char **at, ptx_code *c) {
    word name = next_word(at), w;
    ptx_function *f = r->function;
    c->run = ptx_call;
    c->callee = ptx_function_of((ptx_module *)f->module, name.at, (size_t)name.length);
    if (!c->callee)
        unknown(r, name.at, "no function");
    need(r, at, ",");
    need(r, at, "(");
    for (int k = 0; !is(w = next_word(at), ")");)
        if (!is(w, ",")) {
            c->from[k] = register_of(r, w);
            if (c->from[k++] < 0)
                unknown(r, w.at, "no argument");
        }
    need(r, at, ";");
}

/* A conversion may be given a wider register: an instruction before it, in its place, takes the lower half. */
static int low_half(reader *r, int wide, ptx_code **c) {
    const ptx_code its = **c;
    const int narrow = add_register(r, 4, -1);
    (*c)->run = ptx_arithmetic("cvt.u32.u64", 11)->run;
    (*c)->to[0] = narrow;
    (*c)->from[0] = wide;
    *c = add_code(r, its.text);
    **c = its;
    return narrow;
}

static void operation_code(reader *r, word op, operand o[], int operands, ptx_code *c) {
    const ptx_operation *its = ptx_arithmetic(op.at, (size_t)op.length);
    char name[16];
    if (starts(op, "mov.b") && o[1].count > 1 && o[0].count == 1) {
        snprintf(name, sizeof name, "pack.%.3s", op.at + 4);
        its = ptx_arithmetic(name, strlen(name));
    } else if (starts(op, "mov.b") && o[0].count > 1) {
        snprintf(name, sizeof name, "unpack.%.3s", op.at + 4);
        its = ptx_arithmetic(name, strlen(name));
    }
    if (!its)
        its = ptx_exchange(op.at, (size_t)op.length);
    if (!its)
        unknown(r, op.at, "an instruction that is not known here");
    c->run = its->run;
    int to = 0, from = 0, flat = 0, which = 0;
    for (const char *kind = its->registers; *kind; kind++) {
        if (*kind == '=')
            continue;
        const bool is_to = strchr(kind, '=') != NULL;
        if (which >= operands)
            unknown(r, op.at, "too few operands");
        const int width = *kind == 'p' ? 1 : *kind - '0';
        int at = as_register(r, &o[which], flat, width);
        if (!is_to && width == 4 && r->width[at] == 8 && starts(op, "cvt."))
            at = low_half(r, at, &c);
        if ((r->width[at] == 8) != (width == 8) || (r->width[at] == 1) != (width == 1))
            unknown(r, op.at, "a register of another width");
        if (is_to)
            c->to[to++] = at;
        else
            c->from[from++] = at;
        if (++flat >= o[which].count) {
            which++;
            flat = 0;
        }
    }
    if (which != operands)
        unknown(r, op.at, "too many operands");
}

static void read_code(reader *r, word op) {
    const char *begin = op.at;
    ptx_code *c = add_code(r, begin);
    operand o[OPERANDS];
    int operands = 0;
    if (is(op, "@")) {
        word p = next_word(&r->at);
        if (is(p, "!")) {
            c->inverted = true;
            p = next_word(&r->at);
        }
        c->guard = register_of(r, p);
        if (c->guard < 0)
            unknown(r, begin, "no predicate");
        op = next_word(&r->at);
    }
    if (is(op, "bra") || is(op, "bra.uni")) {
        r->jump = more(r->jump, &r->jump_room, r->jumps, sizeof *r->jump);
        r->jump[r->jumps++] = (label){next_word(&r->at), r->function->count - 1};
        c->run = ptx_branch;
        c->branches = true;
        need(r, &r->at, ";");
        return;
    }
    if (is(op, "ret")) {
        c->run = ptx_leave;
        c->leaves = true;
        need(r, &r->at, ";");
        return;
    }
    if (is(op, "call.uni")) {
        call_code(r, &r->at, c);
        return;
    }
    const char *after = r->at;
    if (!is(next_word(&after), ";")) {
        word w = {",", 1};
        while (is(w, ",")) {
            if (operands == OPERANDS)
                unknown(r, begin, "too many operands");
            read_operand(r, &r->at, &o[operands++]);
            w = next_word(&r->at);
        }
        if (!is(w, ";"))
            unknown(r, w.at, "expected ;");
    } else {
        r->at = after;
    }
    if (starts(op, "st.param")) {
        param_code(r, o, c);
    } else if (starts(op, "ld.") || starts(op, "st.") || starts(op, "red.release.gpu.global.add.s32")) {
        memory_code(r, op, o, c);
    } else if (is(op, "prefetch.global.L2")) {
        c->run = ptx_prefetch;
        c->from[0] = o[0].at[0];
        c->offset = o[0].offset;
        c->space = PTX_GLOBAL;
    } else {
        operation_code(r, op, o, operands, c);
    }
}

/* ----------------------------------------------------------------------------------------------------- directives */

static void read_directive(reader *r, word w) {
    if (is(w, ".reg")) {
        declare_registers(r, &r->at);
    } else if (is(w, ".param")) { /* of a call: a register of ours */
        const int width = width_of(next_word(&r->at));
        if (r->names == NAMES)
            unknown(r, w.at, "too many declarations");
        r->name[r->names++] = (family){next_word(&r->at), add_register(r, width, -1), 0};
        need(r, &r->at, ";");
    } else if (is(w, ".local")) {
        const char *end = strchr(r->at, ';'), *bracket = memchr(r->at, '[', (size_t)(end - r->at));
        r->function->local_bytes = (atoi(bracket + 1) + 15) / 16 * 16;
        r->at = end + 1;
    } else {
        r->at = strchr(r->at, ';') + 1;
    }
}

static void read_param(reader *r, const char **at) {
    ptx_function *f = r->function;
    int align = 0, bytes = 0;
    word w = next_word(at);
    if (is(w, ".align")) {
        align = atoi(next_word(at).at);
        w = next_word(at);
    }
    bytes = width_of(w);
    if (align == 0)
        align = bytes;
    w = next_word(at);
    const char *after = *at;
    if (is(next_word(&after), "[")) {
        bytes *= atoi(next_word(&after).at);
        need(r, &after, "]");
        *at = after;
    }
    if (f->params == 8)
        unknown(r, w.at, "too many params");
    const int offset = (f->param_bytes + align - 1) / align * align;
    f->param[f->params++] = (ptx_param){w.at, w.length, offset, bytes};
    f->param_bytes = offset + bytes;
}

static void read_head(reader *r) {
    ptx_function *f = r->function;
    word w = next_word(&r->at);
    if (is(w, "("))
        while (!is(w = next_word(&r->at), ")"))
            if (is(w, ".param"))
                read_param(r, &r->at);
    f->param_bytes = (f->param_bytes + 7) / 8 * 8;
    while (!is(w = next_word(&r->at), "{")) {
        if (is(w, ".maxntid"))
            f->most_threads = atoi(next_word(&r->at).at);
        else if (is(w, ".minnctapersm"))
            f->least_blocks = atoi(next_word(&r->at).at);
        else if (w.length == 0)
            unknown(r, f->name, "no body");
    }
}

static void link_jumps(reader *r) {
    for (int j = 0; j < r->jumps; j++) {
        int l = 0;
        while (l < r->labels && !same(r->label[l].name, r->jump[j].name))
            l++;
        if (l == r->labels)
            unknown(r, r->jump[j].name.at, "no label");
        r->function->code[r->jump[j].place].target = r->label[l].place;
    }
}

static void parse(ptx_function *f) {
    reader r = {.function = f, .at = f->text};
    f->parsed = true;
    for (int k = 0; k < PTX_SPECIALS; k++) {
        f->special[k] = (int)r.used;
        add_register(&r, k == PTX_LOCAL_BASE ? 8 : 4, (int)r.used);
        memset(room_in_image(&r, bytes_of(k == PTX_LOCAL_BASE ? 8 : 4)), 0, bytes_of(k == PTX_LOCAL_BASE ? 8 : 4));
    }
    read_head(&r);
    for (int depth = 1; depth > 0;) {
        const word w = next_word(&r.at);
        const char *after = r.at;
        if (w.length == 0)
            unknown(&r, f->name, "no end");
        if (is(w, "{") || is(w, "}"))
            depth += *w.at == '{' ? 1 : -1;
        else if (*w.at == '.')
            read_directive(&r, w);
        else if (is(w, ";"))
            continue;
        else if (is(next_word(&after), ":")) {
            r.label = more(r.label, &r.label_room, r.labels, sizeof *r.label);
            r.label[r.labels++] = (label){w, f->count};
            r.at = after;
        } else
            read_code(&r, w);
    }
    link_jumps(&r);
    f->frame = ptx_place_registers(f, r.width, r.registers, r.fixed, r.used);
    f->image = realloc(f->image, f->frame);
    if (!f->image)
        ptx_give_up("no memory for a frame");
    memset(f->image + r.used, 0xa5, f->frame - r.used); /* nobody may count on zeros */
    free(r.width);
    free(r.fixed);
    free(r.label);
    free(r.jump);
}

/* -------------------------------------------------------------------------------------------------------- modules */

/* .global .align 1 .b8 NAME[16] = {...}; of bytes. */
static void read_global(ptx_module *m, const char *at) {
    const char *bracket = strchr(at, '['), *end = strchr(at, ';'), *name = bracket;
    while (in_word(name - 1))
        name--;
    if (m->globals == 16 || !bracket || !end || !strstr(at, ".b8"))
        ptx_give_up("a global that is not known here: %.80s", at);
    const int bytes = atoi(bracket + 1);
    ptx_global *g = &m->global[m->globals++];
    *g = (ptx_global){name, (int)(bracket - name), ptx_allocate((size_t)bytes)};
    memset(g->memory, 0, (size_t)bytes);
    const char *value = memchr(bracket, '{', (size_t)(end - bracket));
    for (int k = 0; k < bytes && value && value < end; k++) {
        g->memory[k] = (char)strtol(value + 1, NULL, 10);
        value = strpbrk(value + 1, ",}");
    }
}

ptx_module *ptx_module_open(char *text) {
    ptx_module *m = calloc(1, sizeof *m);
    int room = 0;
    if (!m)
        ptx_give_up("no memory for a module");
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        const bool entry = strncmp(line, ".entry ", 7) == 0 || strncmp(line, ".visible .entry ", 16) == 0;
        if (strncmp(line, ".global ", 8) == 0)
            read_global(m, line);
        if (!entry && strncmp(line, ".func ", 6) != 0)
            continue;
        const char *at = entry ? strstr(line, ".entry ") + 7 : line + 6;
        const word name = next_word(&at);
        const char *end = at + strcspn(at, "{;");
        if (*end == ';')
            continue; /* said before it is there */
        m->function = more(m->function, &room, m->functions, sizeof *m->function);
        m->function[m->functions++] =
            (ptx_function){.module = m, .name = name.at, .text = at, .name_length = name.length};
    }
    return m;
}

const ptx_function *ptx_function_of(ptx_module *m, const char *name, size_t length) {
    for (int k = 0; k < m->functions; k++)
        if (same((word){m->function[k].name, m->function[k].name_length}, (word){name, (int)length})) {
            if (!m->function[k].parsed)
                parse(&m->function[k]);
            return &m->function[k];
        }
    return NULL;
}
