# cython: language_level=3
"""Derived schemas (docs/decisions/0002-derived-schemas.md), one record at a time, over the rules of the book.

ReferenceDeriver says the same in plain Python. Everything here is inline and without the GIL.
"""

from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from depthcast.book.derive_state cimport (
    BBO,
    BBO_1S,
    BBO_COUNT,
    Bar,
    DEPTH,
    DEPTH_MAX,
    Derivation,
    INTERVAL_COUNT,
    Interval,
    MBP_1,
    MBP_10,
    Output,
    TBBO,
    TRADES,
    UINT32_MAX,
    UINT64_MAX,
    View,
    WITH_A_TRADE,
    has,
    record_rtype,
    record_size,
    room_to_pass,
    writes,
)
from depthcast.book.ladder cimport Level, price_mask
from depthcast.book.native cimport likely, unlikely
from depthcast.book.rules cimport (
    Book,
    N_ADDS,
    N_CANCELS,
    N_CLEARS,
    N_MODIFIES,
    N_TRADES,
    N_UNKNOWN_ACTIONS,
    State,
    apply_rules,
    changes_book,
)
from depthcast.dbn.layout cimport (
    BboRecord,
    BidAskPair,
    F_LAST,
    F_MAYBE_BAD_BOOK,
    F_SNAPSHOT,
    MboRecord,
    Mbp10Record,
    Mbp1Record,
    OhlcvRecord,
    TradeRecord,
    UNDEF_PRICE,
    UNDEF_TIMESTAMP,
)


# ------------------------------------------------------------------------------ the book


cdef inline uint32_t saturated(uint64_t size) noexcept nogil:
    return <uint32_t>size if size <= UINT32_MAX else UINT32_MAX


cdef inline void fill_levels(const State *s, const Book *b, int n, BidAskPair *out) noexcept nogil:
    """The first n levels of both sides, as they are written."""
    cdef const Level *at = s.levels.at
    cdef const Level *level
    cdef uint32_t bid = b.sides[0].best
    cdef uint32_t ask = b.sides[1].best
    cdef int i
    for i in range(n):
        if likely(bid != 0):
            level = &at[bid]
            out[i].bid_px = level.key ^ price_mask(0)
            out[i].bid_sz = saturated(level.size)
            out[i].bid_ct = level.count
            bid = level.worse
        else:
            out[i].bid_px = UNDEF_PRICE
            out[i].bid_sz = 0
            out[i].bid_ct = 0
        if likely(ask != 0):
            level = &at[ask]
            out[i].ask_px = level.key
            out[i].ask_sz = saturated(level.size)
            out[i].ask_ct = level.count
            ask = level.worse
        else:
            out[i].ask_px = UNDEF_PRICE
            out[i].ask_sz = 0
            out[i].ask_ct = 0


cdef inline uint8_t depth_of(const State *s, const Book *b, uint8_t side, int64_t price) noexcept nogil:
    """Levels strictly better than the price on that side of the book."""
    cdef const Level *at = s.levels.at
    cdef int number = 0 if side == c'B' else 1
    cdef int64_t key = price ^ price_mask(number)
    cdef uint32_t index
    cdef uint8_t depth = 0
    if price == UNDEF_PRICE or (side != c'A' and side != c'B'):
        return 0
    index = b.sides[number].best
    while index != 0 and at[index].key < key and depth < DEPTH_MAX:
        depth += 1
        index = at[index].worse
    return depth


cdef inline bint bid_changed(const BidAskPair *old, const BidAskPair *new) noexcept nogil:
    return (old.bid_px != new.bid_px) | (old.bid_sz != new.bid_sz) | (old.bid_ct != new.bid_ct)


cdef inline bint ask_changed(const BidAskPair *old, const BidAskPair *new) noexcept nogil:
    return (old.ask_px != new.ask_px) | (old.ask_sz != new.ask_sz) | (old.ask_ct != new.ask_ct)


cdef inline uint8_t flags_of(const Book *b, const MboRecord *r) noexcept nogil:
    """A book that is not known to be right says so on every record that shows it."""
    return r.flags | F_MAYBE_BAD_BOOK if b.suspect or not b.complete else r.flags


# ------------------------------------------------------------------------------ records out


cdef inline TradeRecord *put(Derivation *d, int schema, const TradeRecord *head) noexcept nogil:
    """Append a record's head; the room, and the levels behind it, are the caller's business."""
    cdef Output *out = &d.out[schema]
    cdef TradeRecord *record = <TradeRecord *>(out.at + out.used)
    memcpy(record, head, sizeof(TradeRecord))
    record.length = <uint8_t>(record_size(schema) // 4)
    record.rtype = record_rtype(schema)
    out.used += record_size(schema)
    return record


cdef inline void interval_enter(Derivation *d, View *v, uint32_t number, int i) noexcept nogil:
    """The book has something in the open interval of schema BBO_1S + i, which is that of the present time."""
    cdef Interval *interval = &d.intervals[i]
    cdef uint64_t start
    if v.gathered >> i & 1:
        return
    v.gathered |= <uint8_t>(1 << i)
    if interval.count == 0:
        start = d.clock // interval.step * interval.step
        if i < BBO_COUNT:
            if start != d.clock:
                start = start + interval.step if start <= UINT64_MAX - interval.step else UINT64_MAX
            interval.stamp = start
            interval.limit = start + 1 if start != UINT64_MAX else UINT64_MAX
        else:
            interval.stamp = start
            interval.limit = start + interval.step if start <= UINT64_MAX - interval.step else UINT64_MAX
        if interval.limit < d.limit:
            d.limit = interval.limit
    interval.books[interval.count] = number
    interval.count += 1


cdef inline void show(Derivation *d, const View *v, const TradeRecord *head, bint changed_top) noexcept nogil:
    """Into mbp-10, and mbp-1 where it concerns its level. The levels are `shown`."""
    cdef TradeRecord *record
    if writes(d, MBP_10):
        record = put(d, MBP_10, head)
        memcpy((<Mbp10Record *>record).levels, v.shown, sizeof(v.shown))
    if changed_top and writes(d, MBP_1):
        record = put(d, MBP_1, head)
        (<Mbp1Record *>record).levels[0] = v.shown[0]


cdef inline void gather_quote(Derivation *d, const Book *b, View *v) noexcept nogil:
    """The book has a quote in the open intervals."""
    cdef int i
    for i in range(BBO_COUNT):
        if has(d, BBO_1S + i):
            interval_enter(d, v, b.number, i)


cdef inline void quote(Derivation *d, const Book *b, View *v, const MboRecord *r) noexcept nogil:
    """An mbp-1 record, wanted or not, is what bbo gathers."""
    if not d.schemas & BBO:
        return
    v.quote = v.shown[0]
    v.quote_flags = flags_of(b, r)
    v.quote_sequence = r.sequence
    if v.gathered & d.quoted != d.quoted:
        gather_quote(d, b, v)


cdef inline uint8_t known_side(uint8_t side) noexcept nogil:
    return side if side == c'A' or side == c'B' else c'N'


cdef inline TradeRecord head_of(const MboRecord *r) noexcept nogil:
    """What a trade or mbp record has in common with the MBO record that makes it."""
    cdef TradeRecord head
    head.length = 0
    head.rtype = 0
    head.publisher_id = r.publisher_id
    head.instrument_id = r.instrument_id
    head.ts_event = r.ts_event
    head.price = r.price
    head.size = r.size
    head.action = r.action
    head.side = known_side(r.side)
    head.flags = r.flags
    head.depth = 0
    head.ts_recv = r.ts_recv
    head.ts_in_delta = r.ts_in_delta
    head.sequence = r.sequence
    return head


# ------------------------------------------------------------------------------ intervals


cdef inline void bar_add(Bar *bar, bint is_new, const MboRecord *r) noexcept nogil:
    if is_new:
        bar.open = UNDEF_PRICE
        bar.high = UNDEF_PRICE
        bar.low = UNDEF_PRICE
        bar.close = UNDEF_PRICE
        bar.volume = 0
    if r.size != UINT32_MAX:
        bar.volume += r.size
    if r.price == UNDEF_PRICE:
        return
    if bar.open == UNDEF_PRICE:
        bar.open = r.price
        bar.high = r.price
        bar.low = r.price
    if r.price > bar.high:
        bar.high = r.price
    if r.price < bar.low:
        bar.low = r.price
    bar.close = r.price


cdef inline void write_gathered(Derivation *d, int i, const Book *b, const View *v) noexcept nogil:
    """What a book has in the interval of schema BBO_1S + i; the room is there."""
    cdef int schema = BBO_1S + i
    cdef Output *out = &d.out[schema]
    cdef BboRecord *bbo = <BboRecord *>(out.at + out.used)
    cdef OhlcvRecord *bar = <OhlcvRecord *>bbo
    memset(bbo, 0, record_size(schema))
    out.used += record_size(schema)
    bbo.length = <uint8_t>(record_size(schema) // 4)
    bbo.rtype = record_rtype(schema)
    bbo.publisher_id = b.publisher_id
    bbo.instrument_id = b.instrument_id
    if i < BBO_COUNT:
        bbo.ts_event = v.trade_ts_event
        bbo.price = v.trade_price
        bbo.size = v.trade_size
        bbo.side = v.trade_side
        bbo.flags = v.quote_flags
        bbo.ts_recv = d.intervals[i].stamp
        bbo.sequence = v.quote_sequence
        bbo.levels[0] = v.quote
    else:
        bar.ts_event = d.intervals[i].stamp
        bar.open = v.bars[i - BBO_COUNT].open
        bar.high = v.bars[i - BBO_COUNT].high
        bar.low = v.bars[i - BBO_COUNT].low
        bar.close = v.bars[i - BBO_COUNT].close
        bar.volume = v.bars[i - BBO_COUNT].volume


cdef inline void close_interval(Derivation *d, int i) noexcept nogil:
    """Write what an interval has gathered, where that is wanted; it is empty then."""
    cdef Interval *interval = &d.intervals[i]
    cdef View *v
    cdef uint32_t n
    for n in range(interval.count):
        v = &d.views[interval.books[n]]
        v.gathered &= <uint8_t>~(1 << i)
        if writes(d, BBO_1S + i):
            write_gathered(d, i, d.state.books[interval.books[n]], v)
    interval.count = 0
    interval.limit = UINT64_MAX


cdef inline bint pass_to(Derivation *d, uint64_t ts_recv) noexcept nogil:
    """Time goes on by the records of all books, and never back. False when there is no memory."""
    cdef int i
    if ts_recv == UNDEF_TIMESTAMP or ts_recv <= d.clock:
        return True
    if likely(ts_recv < d.limit):
        d.clock = ts_recv
        return True
    if not room_to_pass(d):
        return False
    d.clock = ts_recv
    d.limit = UINT64_MAX
    for i in range(INTERVAL_COUNT):
        if d.intervals[i].limit <= ts_recv:
            close_interval(d, i)
        if d.intervals[i].limit < d.limit:
            d.limit = d.intervals[i].limit
    return True


# ------------------------------------------------------------------------------ one record


cdef inline void view_start(const Derivation *d, const Book *b, View *v) noexcept nogil:
    v.known = 1
    v.stale = 1
    v.wanted = (d.publisher_id < 0 or d.publisher_id == b.publisher_id) and (
        d.instrument_id < 0 or d.instrument_id == b.instrument_id
    )
    v.trade_ts_event = UNDEF_TIMESTAMP
    v.trade_price = UNDEF_PRICE
    v.trade_side = c'N'


cdef inline void know_counters(Derivation *d) noexcept nogil:
    """What grows when the rules take a record of an action; N_UNKNOWN_ACTIONS for those not shown."""
    memset(d.counter_of, N_UNKNOWN_ACTIONS, sizeof(d.counter_of))
    d.counter_of[<int>c'A'] = N_ADDS
    d.counter_of[<int>c'C'] = N_CANCELS
    d.counter_of[<int>c'M'] = N_MODIFIES
    d.counter_of[<int>c'T'] = N_TRADES
    d.counter_of[<int>c'R'] = N_CLEARS


cdef inline void look(const Derivation *d, const Book *b, View *v, uint32_t levels) noexcept nogil:
    """The book as it is now is what is shown; of what goes deeper than these levels that is only noted."""
    fill_levels(d.state, b, levels, v.shown)
    v.as_book = levels < d.depth


cdef inline void show_late(const Derivation *d, const Book *b, View *v) noexcept nogil:
    """The book is what should be in `shown`, and is about to change or to be asked for: put it there."""
    fill_levels(d.state, b, d.depth, v.shown)
    v.as_book = 0


cdef inline void on_trade(Derivation *d, const Book *b, View *v, const MboRecord *r) noexcept nogil:
    """Shown at once, with the book as it stands before the trade's own effect."""
    cdef TradeRecord head
    cdef TradeRecord *record
    cdef uint8_t side = known_side(r.side)
    cdef uint8_t resting = c'B' if side == c'A' else c'A' if side == c'B' else c'N'
    cdef bint is_new
    cdef int i
    v.trade_ts_event = r.ts_event
    v.trade_price = r.price
    v.trade_size = r.size
    v.trade_side = side
    look(d, b, v, d.at_trade)
    quote(d, b, v, r)
    if d.written & WITH_A_TRADE:
        head = head_of(r)
        head.depth = depth_of(d.state, b, resting, r.price)
        if writes(d, TRADES):
            put(d, TRADES, &head)
        head.flags = flags_of(b, r)
        if writes(d, TBBO):
            record = put(d, TBBO, &head)
            (<Mbp1Record *>record).levels[0] = v.shown[0]
        show(d, v, &head, True)
    for i in range(BBO_COUNT, INTERVAL_COUNT):
        if has(d, BBO_1S + i):
            is_new = not v.gathered >> i & 1
            interval_enter(d, v, b.number, i)
            bar_add(&v.bars[i - BBO_COUNT], is_new, r)


cdef inline void on_clear(Derivation *d, const Book *b, View *v, const MboRecord *r) noexcept nogil:
    """Shown at once. Nothing is left of what the event did before."""
    cdef TradeRecord head = head_of(r)
    v.change_action = 0
    head.flags = flags_of(b, r)
    look(d, b, v, d.kept)
    quote(d, b, v, r)
    show(d, v, &head, True)


cdef inline void quote_top(Derivation *d, const Book *b, View *v, const MboRecord *r) noexcept nogil:
    """An event's end where the top is all that is kept, and nobody sees it: what bbo would gather.

    Whether the top is another one is anybody's guess, so that is no branch.
    """
    cdef BidAskPair now
    cdef bint is_new
    fill_levels(d.state, b, 1, &now)
    is_new = bid_changed(v.shown, &now) | ask_changed(v.shown, &now)
    v.shown[0] = now
    v.quote.bid_px = now.bid_px if is_new else v.quote.bid_px
    v.quote.ask_px = now.ask_px if is_new else v.quote.ask_px
    v.quote.bid_sz = now.bid_sz if is_new else v.quote.bid_sz
    v.quote.ask_sz = now.ask_sz if is_new else v.quote.ask_sz
    v.quote.bid_ct = now.bid_ct if is_new else v.quote.bid_ct
    v.quote.ask_ct = now.ask_ct if is_new else v.quote.ask_ct
    v.quote_flags = flags_of(b, r) if is_new else v.quote_flags
    v.quote_sequence = r.sequence if is_new else v.quote_sequence
    if unlikely(is_new and v.gathered & d.quoted != d.quoted):
        gather_quote(d, b, v)


cdef inline void on_event_end(Derivation *d, const Book *b, View *v, const MboRecord *r) noexcept nogil:
    """One record if the levels are not those last shown: when from `r`, what from the last change."""
    cdef BidAskPair now[<int>DEPTH]
    cdef TradeRecord head
    cdef int first = 0
    cdef uint8_t action = v.change_action
    cdef uint8_t side
    cdef bint bid, ask
    v.change_action = 0
    v.as_book = d.kept < d.depth
    if d.kept == 0:
        return
    if d.kept == 1 and not writes(d, MBP_1):
        quote_top(d, b, v, r)
        return
    fill_levels(d.state, b, d.kept, now)
    while True:  # the best level that differs
        bid = bid_changed(&v.shown[first], &now[first])
        ask = ask_changed(&v.shown[first], &now[first])
        if bid | ask:
            break
        first += 1
        if first == <int>d.kept:
            return
    side = c'N' if bid & ask else c'B' if bid else c'A'
    memcpy(&v.shown[first], &now[first], (d.kept - first) * sizeof(BidAskPair))
    if first == 0:
        quote(d, b, v, r)
    if not (writes(d, MBP_10) or (first == 0 and writes(d, MBP_1))):
        return
    head = head_of(r)
    head.action = action
    head.price = v.change_price
    head.size = v.change_size
    head.side = side
    head.depth = depth_of(d.state, b, side, v.change_price)
    head.flags = flags_of(b, r)
    show(d, v, &head, first == 0)


cdef inline View *view_of(Derivation *d, const Book *b) noexcept nogil:
    """A book's view; there is room for it."""
    cdef View *v = &d.views[b.number]
    if unlikely(not v.known):
        view_start(d, b, v)
    return v


cdef inline void derive_mbo(Derivation *d, Book *b, View *v, const MboRecord *r) noexcept nogil:
    """Apply one MBO record and show what it did.

    Room was made, time has passed to it; the caller notes the record (note_records).
    """
    cdef State *s = d.state
    cdef bint unseen = r.flags & F_SNAPSHOT or not v.wanted
    cdef int counter = d.counter_of[r.action]   # a table: which action comes next is anybody's guess
    cdef uint64_t before = s.counters[counter]
    if unlikely((v.stale | v.as_book) and not unseen):
        if v.stale:
            v.stale = 0
            v.change_action = 0
            look(d, b, v, d.kept)
        if v.as_book and not r.flags & F_LAST and changes_book(r):
            show_late(d, b, v)
    apply_rules(s, b, r)
    if unlikely(unseen):
        v.stale = 1
        return
    if likely(counter != N_UNKNOWN_ACTIONS and s.counters[counter] != before):
        if counter == N_TRADES:
            on_trade(d, b, v, r)
        elif counter == N_CLEARS:
            on_clear(d, b, v, r)
        else:
            v.change_action = r.action
            v.change_price = r.price
            v.change_size = r.size
    if r.flags & F_LAST and v.change_action != 0:
        on_event_end(d, b, v, r)


# ------------------------------------------------------------------------------ what is wanted


cdef inline void want(Derivation *d, uint32_t written) noexcept nogil:
    """From here on only these schemas write records; what the others would go on from is kept.

    `shown` is read late where nobody sees it. Levels change only with a record that sets change_action or
    with a clear, so that at an event's end, a trade and a clear what should be in `shown` is the book as it
    is, and stays so until the next event changes the book. An event of one record does and undoes that in
    one go; before one of several, `show_late` keeps what it is to be compared with.
    """
    cdef View *v
    cdef uint32_t number
    for number in range(d.views_capacity):
        v = &d.views[number]
        if v.as_book:
            show_late(d, d.state.books[number], v)
    d.written = written
    d.quoted = (d.schemas & BBO) >> BBO_1S
    d.depth = DEPTH if has(d, MBP_10) else 1 if d.schemas & (1 << MBP_1 | BBO) else 0
    d.kept = DEPTH if writes(d, MBP_10) else 1 if writes(d, MBP_1) or d.schemas & BBO else 0
    d.at_trade = 1 if d.kept == 0 and writes(d, TBBO) else d.kept
