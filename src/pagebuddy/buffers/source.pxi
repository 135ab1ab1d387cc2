"""The docstring of a compiled method, which `help` reads from C, is replaced at run time."""

cdef extern from *:
    """
    /* The C function behind a method of a type, or NULL. */
    static PyMethodDef *pb_method_of(PyTypeObject *type, const char *name) {
        PyObject *method = PyDict_GetItemString(type->tp_dict, name);
        if (!method || !Py_IS_TYPE(method, &PyMethodDescr_Type)) return NULL;
        return ((PyMethodDescrObject *)method)->d_method; }

    static const char *pb_doc_of_alloc(PyObject *type) {
        PyMethodDef *method = pb_method_of((PyTypeObject *)type, "alloc");
        return method && method->ml_doc ? method->ml_doc : ""; }

    static void pb_set_doc_of_alloc(PyObject *type, const char *text) {
        PyMethodDef *method = pb_method_of((PyTypeObject *)type, "alloc");
        if (method) method->ml_doc = text; }
    """
    const char *doc_of_alloc "pb_doc_of_alloc"(object type)
    void set_doc_of_alloc "pb_set_doc_of_alloc"(object type, const char *text)


# The method refers to the bytes of this object.
cdef bytes DESCRIPTION = b""


def describe_alloc(str text):
    """Give `BufferSource.alloc` the docstring of the method that it stands for."""
    global DESCRIPTION
    cdef bytes written = doc_of_alloc(BufferSource)
    # What stands before this mark is the signature.
    signature, mark, _ = written.partition(b"--\n\n")
    cdef bytes described = signature + mark + text.encode()
    set_doc_of_alloc(BufferSource, described)
    DESCRIPTION = described
