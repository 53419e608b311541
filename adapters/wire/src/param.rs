//! Parameters, in PostgreSQL's binary format.

use std::error::Error;

use bytes::BytesMut;
use pglock_core::Param;

use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

/// A parameter on its way to the server.
#[derive(Debug)]
pub struct Wire(Param);

/// The parameters of a query, ready to be sent.
#[must_use]
pub fn wired(params: Vec<Param>) -> Vec<Wire> {
    params.into_iter().map(Wire).collect()
}

/// The types of parameters, in their order.
#[must_use]
pub fn types(params: &[Wire]) -> Vec<Type> {
    params.iter().map(Wire::pg_type).collect()
}

impl Wire {
    /// Its PostgreSQL type.
    #[must_use]
    pub const fn pg_type(&self) -> Type {
        match &self.0 {
            Param::Int8(_) => Type::INT8,
            Param::Bool(_) => Type::BOOL,
            Param::Text(_) => Type::TEXT,
            Param::Bytea(_) => Type::BYTEA,
            Param::Int8Array(_) => Type::INT8_ARRAY,
            Param::TextArray(_) => Type::TEXT_ARRAY,
        }
    }
}

impl ToSql for Wire {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        let own = self.pg_type();
        match &self.0 {
            Param::Int8(number) => number.to_sql(&own, out),
            Param::Bool(yes) => yes.to_sql(&own, out),
            Param::Text(text) => text.as_ref().to_sql(&own, out),
            Param::Bytea(bytes) => bytes.as_deref().to_sql(&own, out),
            Param::Int8Array(numbers) => numbers.to_sql(&own, out),
            Param::TextArray(texts) => {
                texts.iter().map(AsRef::as_ref).collect::<Vec<&str>>().to_sql(&own, out)
            }
        }
    }

    fn accepts(ty: &Type) -> bool {
        [Type::INT8, Type::BOOL, Type::TEXT, Type::BYTEA, Type::INT8_ARRAY, Type::TEXT_ARRAY]
            .contains(ty)
    }

    to_sql_checked!();
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio_postgres::types::FromSql;

    fn sent(param: Param) -> Option<Vec<u8>> {
        let wire = Wire(param);
        let mut out = BytesMut::new();
        match wire.to_sql_checked(&wire.pg_type(), &mut out).unwrap() {
            IsNull::Yes => None,
            IsNull::No => Some(out.to_vec()),
        }
    }

    #[test]
    fn single_values_come_out_as_they_went_in() {
        assert_eq!(sent(Param::Int8(Some(-7))), Some((-7_i64).to_be_bytes().into()));
        assert_eq!(sent(Param::Int8(None)), None);
        assert_eq!(sent(Param::Bool(true)), Some(vec![1]));
        assert_eq!(sent(Param::Text("naïve".into())), Some("naïve".into()));
        assert_eq!(sent(Param::Bytea(Some([0, 255][..].into()))), Some(vec![0, 255]));
        assert_eq!(sent(Param::Bytea(Some([][..].into()))), Some(vec![]));
        assert_eq!(sent(Param::Bytea(None)), None);
    }

    #[test]
    fn arrays_come_out_as_they_went_in() {
        let numbers = sent(Param::Int8Array(vec![1, i64::MIN])).unwrap();
        let read = Vec::<i64>::from_sql(&Type::INT8_ARRAY, &numbers).unwrap();
        assert_eq!(read, [1, i64::MIN]);
        let texts = sent(Param::TextArray(vec!["a,b".into(), "".into()])).unwrap();
        let read = Vec::<String>::from_sql(&Type::TEXT_ARRAY, &texts).unwrap();
        assert_eq!(read, ["a,b", ""]);
    }

    #[test]
    fn types_are_those_the_core_names() {
        for param in [
            Param::Int8(None),
            Param::Bool(false),
            Param::Text("".into()),
            Param::Bytea(None),
            Param::Int8Array(vec![]),
            Param::TextArray(vec![]),
        ] {
            let named = match param.type_name().strip_suffix("[]") {
                Some(element) => format!("_{element}"),
                None => param.type_name().into(),
            };
            assert_eq!(Wire(param).pg_type().name(), named);
        }
    }
}
