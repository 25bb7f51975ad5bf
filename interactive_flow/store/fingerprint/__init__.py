"""Fingerprints: when code and values are the same as they were, in another process, another cell, another year.

A result may be used again where the code that made it and what it was made from are still the same.  `call_key` tells
that for a call; `explain_change` tells why two keys differ.

=================  ==================================================================================
module             holds
=================  ==================================================================================
`writer`           the stream of bytes that stands for a value, and the hash over it
`values`           how each type of value is written; `containers` and `objects` for those, `arrays` and `tables` for
                   those of libraries
`files`            files that count by their content
`origin`           whose code something is: the user's, a library's or Python's
`syntax`           syntax trees without what does not matter
`bytecode`         the same from code objects, where there is no source
`source`           from a code object to what it does
`parts`            what a fingerprint of code consists of
`targets`          the definitions that a value refers to
`definitions`      what counts for each kind of definition, and what it uses; `classes` for classes
`checks`           what must still be as it was for a fingerprint to be right
`code`             the fingerprint of code
`keys`             the fingerprint of a value, and the key of a call
`explain`          why two of them differ
=================  ==================================================================================
"""

from interactive_flow.model.errors import FingerprintError
from interactive_flow.store.fingerprint.code import code_fingerprint
from interactive_flow.store.fingerprint.explain import explain_change
from interactive_flow.store.fingerprint.files import FileContent, content
from interactive_flow.store.fingerprint.keys import CallKey, call_key, value_fingerprint
from interactive_flow.store.fingerprint.origin import set_cell_lookup
from interactive_flow.store.fingerprint.parts import CodeFingerprint, Part
from interactive_flow.store.fingerprint.values import register_fingerprint

__all__ = [
    "CallKey",
    "CodeFingerprint",
    "FileContent",
    "FingerprintError",
    "Part",
    "call_key",
    "code_fingerprint",
    "content",
    "explain_change",
    "register_fingerprint",
    "set_cell_lookup",
    "value_fingerprint",
]
