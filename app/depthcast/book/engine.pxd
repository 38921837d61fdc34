# cython: language_level=3
from libc.stdint cimport uint32_t

from depthcast.book.market cimport Framing
from depthcast.book.rules cimport Book, State


cdef class Engine:
    cdef State state
    cdef int busy
    cdef dict instruments       # instrument_id -> list of book numbers
    cdef uint32_t listed        # books already in `instruments`

    cdef void list_books(self)
    cdef Book *one_book(self, object instrument_id, object publisher_id) except NULL
    cdef list books_of(self, object instrument_id, object publisher_id)
    cdef int enter(self) except -1
    cdef int take(self, object buffer, Py_buffer *view) except -1
    cdef int free_to_read(self) except -1
    cdef raise_framing(self, Py_buffer *view, Framing why, size_t offset, size_t applied)
    cdef publisher(self, uint32_t number)
    cdef list merged(self, list numbers, int side, uint32_t most)
    cdef number(self, key)
