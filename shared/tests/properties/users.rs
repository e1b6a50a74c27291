//! Who somebody is, as an app's server has signed it.

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};
use shared::model::limits::{
    USER_DATA_MAX_BYTES, USER_ID_MAX_CHARS, USER_INFO_MAX_BYTES, WATCHLIST_MAX,
};
use shared::model::user::{User, UserData};

use crate::inputs::{about, json, object, step, text};
use crate::{config, is_told, must};

fn perhaps_an_id() -> BoxedStrategy<Value> {
    prop_oneof![
        4 => text().prop_map(Value::from),
        2 => any::<u64>().prop_map(Value::from),
        1 => about(USER_ID_MAX_CHARS).prop_map(Value::from),
    ]
    .boxed()
}

fn perhaps_info() -> BoxedStrategy<Value> {
    // As JSON it has two quotes more.
    prop_oneof![json(), about(USER_INFO_MAX_BYTES - 2).prop_map(Value::from)].boxed()
}

fn perhaps_a_watchlist() -> BoxedStrategy<Value> {
    prop_oneof![
        4 => vec(perhaps_an_id(), 0..4).prop_map(Value::from),
        1 => (WATCHLIST_MAX - 1..=WATCHLIST_MAX + 1)
            .prop_map(|count| (0..count).map(Value::from).collect()),
    ]
    .boxed()
}

/// The beginning of what is valid and can be made as long as one likes.
const START: &str = r#"{"id":1,"user_id":1}"#;

fn perhaps_signed(object: BoxedStrategy<Value>) -> impl Strategy<Value = String> {
    prop_oneof![
        6 => object.clone().prop_map(|object| object.to_string()),
        3 => (object, step()).prop_map(|(object, step)| step.from(&object.to_string())),
        1 => json().prop_map(|json| json.to_string()),
        1 => text(),
        1 => (USER_DATA_MAX_BYTES - 1..=USER_DATA_MAX_BYTES + 1)
            .prop_map(|length| format!("{START}{}", " ".repeat(length - START.len()))),
    ]
}

fn is_a_user_id(id: &str) -> bool {
    (1..=USER_ID_MAX_CHARS).contains(&id.chars().count())
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_member_that_is_accepted_is_within_every_limit(
        channel_data in perhaps_signed(object(vec![
            ("user_id", perhaps_an_id()),
            ("user_info", perhaps_info()),
        ])),
    ) {
        match User::of_channel_data(&channel_data) {
            Ok(user) => {
                prop_assert!(channel_data.len() <= USER_DATA_MAX_BYTES);
                prop_assert!(is_a_user_id(user.id()));
                prop_assert!(user.shown().to_string().len() <= USER_INFO_MAX_BYTES);
                // And is read back as it is stored.
                let row = serde_json::to_string(&user).expect("JSON");
                prop_assert_eq!(serde_json::from_str::<User>(&row).expect("its own text"), user);
            }
            Err(rejection) => is_told(&rejection)?,
        }
    }

    #[test]
    fn a_signed_in_user_is_within_every_limit(
        user_data in perhaps_signed(object(vec![
            ("id", perhaps_an_id()),
            ("user_info", perhaps_info()),
            ("watchlist", perhaps_a_watchlist()),
        ])),
    ) {
        match UserData::parse(&user_data) {
            Ok(data) => {
                prop_assert!(user_data.len() <= USER_DATA_MAX_BYTES);
                prop_assert!(is_a_user_id(data.user.id()));
                prop_assert!(data.watchlist.len() <= WATCHLIST_MAX);
                prop_assert!(data.watchlist.iter().all(|id| is_a_user_id(id)));
                prop_assert!(!data.watchlist_cut || data.watchlist.len() == WATCHLIST_MAX);
            }
            Err(rejection) => is_told(&rejection)?,
        }
    }

    #[test]
    fn a_user_is_read_as_it_was_signed(
        id in prop_oneof![
            "[!-~é]{1,32}".prop_map(Value::from),
            any::<u32>().prop_map(Value::from),
        ],
        info in prop::option::of(text()),
        watchlist in vec(0..9_u32, 0..9),
    ) {
        let text_of = |id: &Value| id.as_str().map_or_else(|| id.to_string(), str::to_owned);
        let member = json!({ "user_id": id, "user_info": info });
        let signed_in = json!({ "id": id, "user_info": info, "watchlist": watchlist });
        let member = must(User::of_channel_data(&member.to_string()))?;
        let signed_in = must(UserData::parse(&signed_in.to_string()))?;
        prop_assert_eq!(member.id(), text_of(&id));
        prop_assert_eq!(member.shown(), info.map_or_else(|| json!({}), Value::from));
        prop_assert_eq!(&signed_in.user, &member);
        let mut once: Vec<String> = Vec::new();
        for id in watchlist.iter().map(ToString::to_string) {
            if !once.contains(&id) {
                once.push(id);
            }
        }
        prop_assert_eq!((signed_in.watchlist, signed_in.watchlist_cut), (once, false));
    }
}

#[test]
fn a_number_that_is_shown_keeps_its_last_digit() {
    let user = User::of_channel_data(r#"{"user_id":"u","user_info":4.353508941730132e+121}"#);
    let shown = user.expect("a user").shown().to_string();
    assert_eq!(shown, "4.353508941730132e+121");
}
